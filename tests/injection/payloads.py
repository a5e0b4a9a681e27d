"""What somebody types who wants more than an answer. Each works somewhere, on some program."""

SLEEP_SECONDS = 5
SCRIPT = "<script>alert(1)</script>"

PAYLOADS = (
    # Quotes and comments
    "'",
    "''",
    '"',
    "`",
    "';",
    "' --",
    "' #",
    "'/*",
    "*/ SELECT 1 /*",
    "\\'",
    "\\",
    "\\\\'; SELECT 1 --",
    # Boolean
    "' OR '1'='1",
    "' OR 1=1 --",
    '" OR ""="',
    "1 OR 1=1",
    "x' AND 1=(SELECT count(*) FROM injection_witness) --",
    # UNION and subqueries
    "' UNION SELECT NULL, NULL, NULL --",
    "') UNION ALL SELECT password, NULL FROM accounts_user --",
    "1)) UNION SELECT usename, passwd FROM pg_shadow --",
    "(SELECT current_user)",
    # Stacked statements
    "'; DELETE FROM injection_witness; --",
    "'); UPDATE injection_witness SET word = 'changed'; --",
    "1; INSERT INTO injection_witness VALUES ('added')",
    "'; DROP TABLE risks_risk CASCADE; --",
    "'; ALTER ROLE test_app SUPERUSER; COMMIT; --",
    "'; COPY (SELECT 1) TO PROGRAM 'id'; --",
    # Time
    f"'; SELECT pg_sleep({SLEEP_SECONDS}) --",
    f"' || pg_sleep({SLEEP_SECONDS}) || '",
    f"1 AND 1=(SELECT 1 FROM pg_sleep({SLEEP_SECONDS}))",
    f"(SELECT 1 FROM pg_sleep({SLEEP_SECONDS}))",
    f"x') AND (SELECT pg_sleep({SLEEP_SECONDS})) IS NULL --",
    # PostgreSQL's own ways to quote
    f"$$; SELECT pg_sleep({SLEEP_SECONDS}); $$",
    "$a$ '; DELETE FROM injection_witness; $a$",
    "E'\\'; DELETE FROM injection_witness; --'",
    "U&'\\0027 OR 1=1'",
    # Placeholders and formats
    "%s",
    "%(name)s",
    "%",
    "%%s' OR '1'='1",
    "{0.__class__}",
    "$1",
    ":name",
    "?",
    # Encodings
    "\x00",
    "a\x00' OR 1=1 --",
    "\u02bc OR 1=1 --",  # MODIFIER LETTER APOSTROPHE
    "\uff07 OR 1=1 --",  # FULLWIDTH APOSTROPHE
    "\u2019; DELETE FROM injection_witness; --",
    "%27%20OR%201%3D1",
    "%2527",
    "\u00bf\u005c' OR 1=1 --",
    "\ud800'",
    "\u202e' OR 1=1",
    "\U0001f480'",
    # Patterns and full-text operators
    "_%_%",
    "a & b | ! c <-> d",
    "' & ( | :*",
    '"unclosed -',
    "- - - --- !(((",
    "a:*ABCD <0> b",
    # JSON, arrays and lookups
    '{"a": "\' OR 1=1 --"}',
    '[1, null, "\'"]',
    '{1,2,"\'"}',
    "title__icontains",
    "revision__profile__key'",
    # Lines, length, markup
    "a\nb\r\n'; DELETE FROM injection_witness; --\t",
    "'" * 3_000,
    "(" * 2_000,
    SCRIPT,
    f"'\">{SCRIPT}",
)
# Those that would show in the time, for places where every try costs much.
FEW = tuple(payload for payload in PAYLOADS if "pg_sleep" in payload or "DELETE" in payload)


def storable(payload: str, longest: int = 10_000) -> str:
    """The payload as a text column and a form can hold it: trimmed, of valid characters."""
    known = payload.encode("utf-8", errors="ignore").decode().replace("\x00", "")
    return known[:longest].strip()
