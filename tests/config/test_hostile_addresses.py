"""An address with anything beyond the allow-list is refused, by name and without being shown."""

import pytest

from config.database import database_entry
from config.env import ConfigurationError, Environment
from tests.config.addresses import CANARY, address, entry_of, refusal

NOT_ALLOWED = "the option {!r} is not allowed; expected only sslmode, sslrootcert, channel_binding."
NO_ADDRESS = "not a valid address; expected postgresql://USER:PASSWORD@HOST:PORT/NAME"
SCHEME = "the scheme is {}; expected postgres:// or postgresql://."
HOST = "the host is not one host name, IP address or socket folder."
NAME = (
    "the database name may not hold '=', '/' or '\\', start with '-', or be longer than 63 bytes."
)
UNSEEN = "holds a space or a control character; percent-encode it."
DECODED = "percent-encoding decodes to a control character or to no UTF-8 text."
HEXADECIMAL = "a '%' is not followed by two hexadecimal digits; a literal one is %25."
PORT = "expected a whole number from 1 to 65535."
OPTIONS = (
    *("options", "service", "servicefile", "passfile", "sslcert", "sslkey", "sslpassword"),
    *("sslcrl", "host", "hostaddr", "port", "dbname", "user", "password", "pool", "assume_role"),
    *("conn_max_age", "CONN_MAX_AGE", "ATOMIC_REQUESTS", "application_name", "client_encoding"),
    *("target_session_attrs", "gssencmode", "krbsrvname", "require_auth", "currentSchema"),
    *("isolation_level", "server_side_binding", "prepare_threshold", "ssl_min_protocol_version"),
    *("sslcertmode", "sslcrldir", "sslsni", "sslcompression", "sslnegotiation", "requiressl"),
    *("ssl_max_protocol_version", "min_protocol_version", "max_protocol_version", "gsslib"),
    *("gssdelegation", "requirepeer", "scram_client_key", "scram_server_key", "oauth_issuer"),
    *("sslkeylogfile", "connect_timeout", "keepalives", "tcp_user_timeout", "answer_timeout"),
    *("fallback_application_name", "load_balance_hosts", "SSLMODE", "ssl-ca", "replication"),
)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_beyond_the_list_is_refused_by_its_name(option: str) -> None:
    for query in (f"?{option}={CANARY}", f"?sslmode=verify-full&{option}={CANARY}"):
        message = refusal(DATABASE_URL=address(query))
        assert message == f"DATABASE_URL: {NOT_ALLOWED.format(option)}"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (address("?opt%69ons=-c%20search_path%3Devil"), NOT_ALLOWED.format("options")),
        (address("?options"), NOT_ALLOWED.format("options")),
        (address(f"?{CANARY}=1"), "the option no single word is not allowed"),
        (address("?sslmode=require&sslmode=disable"), "the option 'sslmode' stands twice."),
        (address("?sslmode=require&sslm%6fde=disable"), "the option 'sslmode' stands twice."),
        (address("?sslmode="), "the option 'sslmode' has no value."),
        (address("?sslmode"), "the option 'sslmode' has no value."),
        (address(f"?sslmode=require;password={CANARY}"), "sslmode is no single word; expected dis"),
        (address("?sslmode=require;options=x"), "sslmode is no single word; expected disable"),
        (address("?sslmode=require+"), "sslmode is no single word; expected disable"),
        (address("?sslmode=required"), "sslmode is 'required'; expected disable, allow, prefer"),
        (address("?channel_binding=always"), "channel_binding is 'always'; expected disable, pre"),
        (address("#sslmode=require"), "a '#' starts a part that would be ignored"),
        (address("?sslmode=require#"), "a '#' starts a part that would be ignored"),
        (f"postgresql://app:{CANARY}#1@db.example/register", "a '#' starts a part"),
        (f"postgresql://app:{CANARY}/1@db.example/register", NO_ADDRESS),
        (f"postgresql://app:{CANARY}?1@db.example/register", NO_ADDRESS),
        (f"postgresql://app:1?sslmode={CANARY}@db.example/register", NO_ADDRESS),
        (f"postgresql://app:{CANARY}@db.example:port/register", NO_ADDRESS),
        (f"postgresql://app:{CANARY}@db.example:99999/register", NO_ADDRESS),
        (f"postgresql://app:{CANARY}@[::1/register", NO_ADDRESS),
        (f"postgresql://app:{CANARY}\N{CARE OF}@db.example/register", NO_ADDRESS),
        (address(host="one.example,two.example"), HOST),
        (address(host="one.example:5432,two.example:5432"), NO_ADDRESS),
        (address(host="one.example%2Ctwo.example"), HOST),
        (address(host="one.example%20hostaddr=10.0.0.1"), HOST),
        (address(host="@abstract"), NO_ADDRESS),
        (address(host="b%C3%BCcher.example"), HOST),
        (address(name="register%20host%3Devil.example"), NAME),
        (address(name="postgresql:%2F%2Fevil.example"), NAME),
        (address(name="register/public"), NAME),
        (address(name="-d"), NAME),
        (address(name="a" * 64), NAME),
        (address(name="back%5Cslash"), NAME),
        (f"mysql://app:{CANARY}@db.example/register", SCHEME.format("mysql://")),
        (f"sqlite:///{CANARY}.db", SCHEME.format("sqlite://")),
        ("sqlite://:memory:", SCHEME.format("sqlite://")),
        (f"postgis://app:{CANARY}@db.example/register", SCHEME.format("postgis://")),
        (f"redshift://app:{CANARY}@db.example/register", SCHEME.format("redshift://")),
        (f"https://app:{CANARY}@db.example/register", SCHEME.format("https://")),
        (f"{CANARY}:x@db.example/register", SCHEME.format("none")),
        (f"host=db.example_password={CANARY}", SCHEME.format("none")),
        (f"//app:{CANARY}@db.example/register", SCHEME.format("none")),
        (f"postgresql:app:{CANARY}@db.example", NO_ADDRESS),
        (f"host=db.example password={CANARY}", UNSEEN),
        (address(name="reg\nister"), UNSEEN),
        (address(name="reg\tister"), UNSEEN),
        (address(name="reg\x7fister"), UNSEEN),
        (address(name="register%00"), DECODED),
        (address(name="register%0A"), DECODED),
        (address(name="register%FF"), DECODED),
        (address("?sslmode=require%00"), DECODED),
        (address(name="100%"), HEXADECIMAL),
        (address(name="%zz"), HEXADECIMAL),
        (f"postgresql://app:{CANARY}%@db.example/register", HEXADECIMAL),
    ],
)
def test_a_hostile_address_is_refused(url: str, reason: str) -> None:
    message = refusal(DATABASE_URL=url)
    assert message.startswith(f"DATABASE_URL: {reason}")


def parts(**variables: str) -> dict[str, str]:
    """An address in parts, with what a test puts in the place of one of them."""
    usual = {"HOST": "db.example", "NAME": "register", "USER": "app", "PASSWORD": CANARY}
    return {f"DATABASE_{part}": value for part, value in {**usual, **variables}.items()}


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("HOST", "one.example,two.example", HOST),
        ("HOST", "db.example host=evil.example", HOST),
        ("HOST", "host=evil.example", HOST),
        ("HOST", "db.example hostaddr='10.0.0.1'", HOST),
        ("HOST", "postgresql://evil.example/x", HOST),
        ("HOST", "app@evil.example", HOST),
        ("HOST", "db.example?sslmode=disable", HOST),
        ("HOST", "db.example#x", HOST),
        ("HOST", "db.example/register", HOST),
        ("HOST", "[::1]", HOST),
        ("HOST", "fe80::1%eth0", HOST),
        ("HOST", "b\u00fccher.example", HOST),
        ("HOST", "db\u3002example", HOST),
        ("HOST", "db.ex\u0430mple", HOST),
        ("HOST", "db.example%2Cevil.example", HOST),
        ("HOST", "db.example;evil.example", HOST),
        ("HOST", "@abstract", HOST),
        ("HOST", "db.example\tevil", HOST),
        ("HOST", "db.example\nevil", HOST),
        ("HOST", "..\\evil", HOST),
        ("NAME", "host=evil.example", NAME),
        ("NAME", "register host=evil.example", NAME),
        ("NAME", "postgresql://evil.example/x", NAME),
        ("NAME", "postgres://evil.example", NAME),
        ("NAME", "service=evil", NAME),
        ("NAME", "register passfile=/tmp/x", NAME),
        ("NAME", "register target_session_attrs=any", NAME),
        ("NAME", "-hevil.example", NAME),
        ("NAME", "--host", NAME),
        ("NAME", "\u00e9" * 32, NAME),
        ("NAME", "reg\tister", NAME),
        ("PORT", "5432,5433", PORT),
        ("PORT", "5432 host=evil", PORT),
        ("PORT", "0x1538", PORT),
        ("PORT", "\uff15\uff14\uff13\uff12", PORT),
        ("PORT", "-1", PORT),
        ("SSLMODE", "require sslkey=/x", "sslmode is no single word; expected disable"),
        ("SSLMODE", "disable,verify-full", "sslmode is no single word; expected disable"),
        ("SSLMODE", "VERIFY-FULL", "sslmode is 'VERIFY-FULL'; expected disable"),
        ("SSLROOTCERT", "/nowhere/ca.pem", "sslrootcert '/nowhere/ca.pem': No such file"),
        ("SSLROOTCERT", "system", "sslmode=prefer needs sslrootcert=FILE of a private authority"),
        ("PASSWORD_FILE", "/nowhere/password", "DATABASE_PASSWORD and DATABASE_PASSWORD_FILE"),
    ],
)
def test_a_hostile_part_is_refused_by_the_name_of_its_variable(
    part: str, value: str, reason: str
) -> None:
    message = refusal(**parts(**{part: value}))
    assert message.startswith(f"DATABASE_{part}") or part == "PASSWORD_FILE"
    assert reason in message


def test_a_user_or_password_of_the_parts_is_never_read_as_an_address() -> None:
    text = "x' host=evil.example options='-c role=postgres"
    entry = entry_of(**parts(USER=text, PASSWORD=text))
    assert (entry["USER"], entry["PASSWORD"], entry["HOST"]) == (text, text, "db.example")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"postgresql://app:{CANARY}@evil.example@db.example/register", NO_ADDRESS),
        (f"postgresql://app:{CANARY}@db.example:5432:5433/register", NO_ADDRESS),
        (f"postgresql://app:{CANARY}@db.example\\@evil.example/register", NO_ADDRESS),
        (f"postgresql://app:{CANARY}@db.ex\u0430mple/register", HOST),
        (f"postgresql://app:{CANARY}@db.example%00/register", DECODED),
        (f"postgresql://app:{CANARY}@db.example%0Ahost/register", DECODED),
        (f"postgresql://app:{CANARY}@db.example%40evil.example/register", HOST),
        (f"postgresql://app:{CANARY}@db.example%3Fsslmode/register", HOST),
        (f"postgresql://app:{CANARY}@db.example%23/register", HOST),
        (address("?sslmode=disable&%73slmode=verify-full"), "the option 'sslmode' stands twice."),
        (address("?host=one&host=two"), NOT_ALLOWED.format("host")),
        (address("?&&&service=evil"), NOT_ALLOWED.format("service")),
        (address("?sslmode=require&"), None),
        (address("?SSLROOTCERT=system"), NOT_ALLOWED.format("SSLROOTCERT")),
        (address("?sslrootcert=%2Fnowhere%2Fca.pem"), "sslrootcert '/nowhere/ca.pem': No such"),
        (f"POSTGRESQL://app:{CANARY}@db.example/register?service=x", "the "),
        (f"postgresql+psycopg://app:{CANARY}@db.example/register", "the scheme is postgresql+"),
        (f"jdbc:postgresql://db.example/register?password={CANARY}", "the scheme is "),
        (f"unix:///run/postgresql?password={CANARY}", "the scheme is unix://"),
    ],
)
def test_a_trick_in_an_address_is_refused_and_never_shown(url: str, reason: str | None) -> None:
    if reason is None:
        assert entry_of(DATABASE_URL=url)["OPTIONS"]["sslmode"] == "require"
        return
    assert refusal(DATABASE_URL=url).startswith(f"DATABASE_URL: {reason}")


def test_a_nul_character_is_refused() -> None:
    assert refusal(DATABASE_URL=address("\x00")) == "DATABASE_URL holds a NUL character."


@pytest.mark.parametrize("role", ["owner", "auditor", "admin"])
def test_the_address_of_every_role_is_judged_under_its_own_name(role: str) -> None:
    name = f"DATABASE_{role.upper()}_URL"
    message = refusal(role, **{name: address("?service=evil")})
    assert message == f"{name}: {NOT_ALLOWED.format('service')}"


def test_percent_encoding_carries_any_character_of_user_password_and_name() -> None:
    entry = entry_of(
        DATABASE_URL="postgres://a%40b:plain%2F%3F%23%25%40%3A%27%20x@h.example:5433/d%20b"
    )
    assert (entry["USER"], entry["PASSWORD"], entry["NAME"]) == ("a@b", "plain/?#%@:' x", "d b")
    assert (entry["HOST"], entry["PORT"]) == ("h.example", 5433)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("10.0.0.1", "10.0.0.1"), ("[::1]", "::1"), ("DB.Example", "db.example"), ("db_1", "db_1")],
)
def test_one_host_is_taken(host: str, expected: str) -> None:
    assert entry_of(DATABASE_URL=address(host=host))["HOST"] == expected


def test_a_socket_folder_keeps_its_capitals_and_its_port() -> None:
    for host in ("%2FUsers%2FAnna%20B%2Fsocket:5433", "%2fUsers%2fAnna%20B%2fsocket:5433"):
        entry = entry_of(DATABASE_URL=address(host=host))
        assert (entry["HOST"], entry["PORT"]) == ("/Users/Anna B/socket", 5433)


def test_the_text_forms_of_an_entry_hide_the_password() -> None:
    entry = entry_of(DATABASE_URL=address())
    assert entry["PASSWORD"] == CANARY
    assert CANARY not in f"{entry} {entry!r} {[entry]} { ({'default': entry}) }"
    assert "'USER': 'app'" in repr(entry)


def test_an_unset_role_has_no_entry() -> None:
    assert database_entry(Environment({"ENVIRONMENT": "development"}), "owner") is None


def test_a_misspelt_environment_is_never_taken_for_development() -> None:
    env = Environment({"ENVIRONMENT": "prodution", "DATABASE_URL": address("?sslmode=disable")})
    with pytest.raises(ConfigurationError, match="^ENVIRONMENT is 'prodution'; expected"):
        database_entry(env, "app")
