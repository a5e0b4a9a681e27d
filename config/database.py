"""One role's variables become one DATABASES entry: validated, bounded, never printed."""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

import dj_database_url
from psycopg import IsolationLevel

from config.env import BASE_DIR, ConfigurationError, Environment, read_text
from config.tls import plaintext_host, root_certificate
from config.variables import prefix_of

# Django's own, whose connections are bounded and tried again.
ENGINE = "apps.database.postgresql"
SCHEMES = ("postgres", "postgresql")
QUERY_OPTIONS = ("sslmode", "sslrootcert", "channel_binding")
# What an entry demands of its server, and libpq's variables that demand it of the tools.
TLS_OPTIONS = {
    "sslmode": "PGSSLMODE",
    "sslrootcert": "PGSSLROOTCERT",
    "channel_binding": "PGCHANNELBINDING",
    "require_auth": "PGREQUIREAUTH",
}
# What an entry's OPTIONS may hold: what an address may say, and what is added to it here.
ENTRY_OPTIONS = (
    *TLS_OPTIONS,
    *("application_name", "connect_timeout", "connect_retry", "answer_timeout", "options"),
    *("isolation_level", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    *("tcp_user_timeout", "pool", "prepare_threshold"),
)
# Weakest first, as libpq documents them.
SSLMODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
MINIMUMS = ("verify-full", "verify-ca", "require")
CHANNEL_BINDINGS = ("disable", "prefer", "require")
POOL_MODES = ("persistent", "native", "pgbouncer")
PARTS = (
    *("HOST", "PORT", "NAME", "USER", "PASSWORD", "PASSWORD_FILE"),
    *("SSLMODE", "SSLROOTCERT"),
)
# A network that swallows packets is noticed after half a minute, not after two hours.
KEEPALIVES = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15000,
}
ANSWER_MARGIN_SECONDS = 2
SESSION_TIME_ZONE = "UTC"
# Which variable holds a part: the address, or one of its own.
Where = Callable[[str], str]


class DatabaseEntry(dict[str, Any]):
    """A DATABASES entry whose text form never shows the password."""

    def __repr__(self) -> str:
        return repr(
            {key: "********" if key == "PASSWORD" else value for key, value in self.items()}
        )

    __str__ = __repr__


def database_entry(env: Environment, role: str) -> DatabaseEntry | None:
    """The DATABASES entry of a role, or None when the environment does not name it.

    Raises ConfigurationError, with the variable's and option's name and without the address.
    """
    prefix = prefix_of(role)
    parts = [part for part in PARTS if env.is_set(f"{prefix}_{part}")]
    url = env.text(f"{prefix}_URL")
    if url and parts:
        raise ConfigurationError(
            f"{prefix}_URL and {prefix}_{parts[0]} are both set; expected the address or its parts."
        )
    if url:
        entry = parse_address(url, f"{prefix}_URL")
    elif parts:
        entry = _from_parts(env, prefix)
    else:
        return None

    def where(part: str) -> str:
        return f"{prefix}_URL" if url else f"{prefix}_{part}"

    _check_names(entry, where, env)
    _enforce_tls(entry, where, env)
    _add_behaviour(entry, env, role)
    return entry


def assessed_entry(url: str, variable: str, env: Environment) -> DatabaseEntry:
    """The entry of a database that is not the project's: its sessions may only read.

    `variable` is what the address was given in. Raises ConfigurationError as database_entry does.
    """
    entry = parse_address(url, variable)
    for part, what in (("HOST", "host"), ("NAME", "database name"), ("USER", "user")):
        if not entry[part]:
            raise ConfigurationError(
                f"{variable}: the {what} is missing; expected "
                "postgresql://USER:PASSWORD@HOST:PORT/NAME."
            )
    _check_names(entry, lambda part: variable, env)
    _enforce_tls(entry, lambda part: variable, env)
    _add_behaviour(entry, env, "auditor")
    entry["OPTIONS"]["options"] += " -c default_transaction_read_only=on"
    return entry


def parse_address(url: str, variable: str) -> DatabaseEntry:
    """A PostgreSQL address as a DATABASES entry, its scheme and options on the allow-list."""
    _check_text(url, variable)
    split, parsed = _split(url)
    if split is not None and split.scheme not in SCHEMES:
        scheme = f"{split.scheme}://" if url.startswith(f"{split.scheme}://") else "none"
        raise ConfigurationError(
            f"{variable}: the scheme is {scheme}; expected postgres:// or postgresql://."
        )
    if "#" in url:
        raise ConfigurationError(
            f"{variable}: a '#' starts a part that would be ignored; write it as %23."
        )
    if split is None or "@" in split.netloc.rpartition("@")[0] + split.path + split.query:
        raise _not_an_address(variable)
    _check_options(split.query, variable)
    if parsed is None:
        raise _not_an_address(variable)
    entry = DatabaseEntry(parsed)
    entry["ENGINE"] = ENGINE
    entry["OPTIONS"] = {name: str(value) for name, value in parsed.get("OPTIONS", {}).items()}
    host = split.netloc.rpartition("@")[2]
    if host.lower().startswith("%2f"):
        # hostname of urlsplit is lower-cased, which would change the path of a socket.
        entry["HOST"] = unquote(re.sub(r":[0-9]+$", "", host))
    return entry


def _split(url: str) -> tuple[SplitResult | None, dict[str, Any] | None]:
    """The address split, and as a DATABASES entry; None where the libraries cannot read it.

    Their errors quote the address, so they end here, not even as the context of ours.
    """
    split = None
    try:
        split = urlsplit(url)
        return split, dict(dj_database_url.parse(url))
    except ValueError:
        return split, None


def _not_an_address(variable: str) -> ConfigurationError:
    return ConfigurationError(
        f"{variable}: not a valid address; expected postgresql://USER:PASSWORD@HOST:PORT/NAME "
        "with one host, and special characters percent-encoded (a '/' is %2F, an '@' %40)."
    )


def _check_text(url: str, variable: str) -> None:
    if re.search(r"[\x00-\x20\x7f]", url):
        raise ConfigurationError(
            f"{variable}: holds a space or a control character; percent-encode it."
        )
    if re.search(r"%(?![0-9A-Fa-f]{2})", url):
        raise ConfigurationError(
            f"{variable}: a '%' is not followed by two hexadecimal digits; a literal one is %25."
        )
    decoded = unquote(url)
    if "\ufffd" in decoded or re.search(r"[\x00-\x1f\x7f]", decoded):
        raise ConfigurationError(
            f"{variable}: percent-encoding decodes to a control character or to no UTF-8 text."
        )


def _check_options(query: str, variable: str) -> None:
    seen = set()
    for pair in filter(None, query.split("&")):
        name = unquote(pair.partition("=")[0])
        value = unquote(pair.partition("=")[2])
        if name not in QUERY_OPTIONS:
            raise ConfigurationError(
                f"{variable}: the option {_shown(name)} is not allowed; "
                f"expected only {', '.join(QUERY_OPTIONS)}."
            )
        if name in seen or not value:
            problem = "stands twice" if name in seen else "has no value"
            raise ConfigurationError(f"{variable}: the option {name!r} {problem}.")
        seen.add(name)


def _from_parts(env: Environment, prefix: str) -> DatabaseEntry:
    port = f"{prefix}_PORT"
    options = {}
    if env.is_set(f"{prefix}_SSLMODE"):
        options["sslmode"] = env.text(f"{prefix}_SSLMODE")
    if env.is_set(f"{prefix}_SSLROOTCERT"):
        options["sslrootcert"] = env.text(f"{prefix}_SSLROOTCERT")
    return DatabaseEntry(
        ENGINE=ENGINE,
        HOST=env.text(f"{prefix}_HOST") or "",
        PORT=env.integer(port, minimum=1, maximum=65535) if env.is_set(port) else "",
        NAME=env.text(f"{prefix}_NAME") or "",
        USER=env.text(f"{prefix}_USER") or "",
        PASSWORD=_password(env, prefix),
        OPTIONS=options,
    )


def _password(env: Environment, prefix: str) -> str:
    path = env.text(f"{prefix}_PASSWORD_FILE")
    if path is None:
        return env.text(f"{prefix}_PASSWORD") or ""
    if env.is_set(f"{prefix}_PASSWORD"):
        raise ConfigurationError(
            f"{prefix}_PASSWORD and {prefix}_PASSWORD_FILE are both set; expected one."
        )
    password = read_text(BASE_DIR / path, f"{prefix}_PASSWORD_FILE").rstrip("\r\n")
    if not password or re.search(r"[\x00-\x1f\x7f]", password):
        problem = "holds a control character" if password else "is empty"
        raise ConfigurationError(
            f"{prefix}_PASSWORD_FILE: the file {problem}; expected the password alone."
        )
    return password


def is_socket(entry: dict[str, Any]) -> bool:
    """Whether the entry reaches its server through a Unix socket, where TLS does not exist."""
    return str(entry["HOST"]).startswith("/")


def speaks_clear(entry: dict[str, Any]) -> bool:
    """Whether the entry would go on over the network where the server speaks no TLS."""
    mode = str(entry["OPTIONS"].get("sslmode", "prefer"))
    return not is_socket(entry) and SSLMODES.index(mode) < SSLMODES.index("require")


def _check_names(entry: DatabaseEntry, where: Where, env: Environment) -> None:
    host, name = str(entry["HOST"]), str(entry["NAME"])
    for part, what in (("HOST", "host"), ("NAME", "database name"), ("USER", "user")):
        if env.production and not entry[part]:
            raise ConfigurationError(f"{where(part)}: the {what} is missing; production needs it.")
    if not is_socket(entry) and not re.fullmatch(r"[A-Za-z0-9_.:-]*", host):
        raise ConfigurationError(
            f"{where('HOST')}: the host is not one host name, IP address or socket folder."
        )
    # The tools of PostgreSQL take a name with '=' or '://' for a whole connection string.
    if re.search(r"[=\x00-\x1f/\\]|^-", name) or len(name.encode()) > 63:
        raise ConfigurationError(
            f"{where('NAME')}: the database name may not hold '=', '/' or '\\', start with '-', "
            "or be longer than 63 bytes."
        )


def _enforce_tls(entry: DatabaseEntry, where: Where, env: Environment) -> None:
    options = entry["OPTIONS"]
    mode = options.get("sslmode")
    minimum = env.choice("DATABASE_SSLMODE_MINIMUM", MINIMUMS)
    for name, choices in (("sslmode", SSLMODES), ("channel_binding", CHANNEL_BINDINGS)):
        if name in options and options[name] not in choices:
            raise ConfigurationError(
                f"{where('SSLMODE')}: {name} is {_shown(options[name])}; "
                f"expected {', '.join(choices)}."
            )
    if is_socket(entry):
        return
    exception = plaintext_host(env)
    if exception is not None and str(entry["HOST"]).lower() == exception:
        mode = options.setdefault("sslmode", "disable")
        if speaks_clear(entry):
            # Who listens on the way learns what is read and written, and still no password.
            options["require_auth"] = "scram-sha-256"
    elif env.production:
        # An address without a mode gets the minimum: stronger than libpq's "prefer", never weaker.
        mode = options.setdefault("sslmode", minimum)
        if SSLMODES.index(mode) < SSLMODES.index(minimum):
            raise ConfigurationError(
                f"{where('SSLMODE')}: sslmode is {mode!r}; production expects at least "
                f"{minimum!r}. Use sslmode=verify-full, or set DATABASE_SSLMODE_MINIMUM=require "
                "(or verify-ca) to accept less in so many words."
            )
    if mode in ("verify-ca", "verify-full") or "sslrootcert" in options:
        given = options.get("sslrootcert")
        options["sslrootcert"] = str(root_certificate(given, mode, where("SSLROOTCERT")))


def _shown(value: str) -> str:
    """A short word; what is longer or stranger may be a secret that slipped in."""
    return repr(value) if re.fullmatch(r"[A-Za-z_-]{1,40}", value) else "no single word"


def _add_behaviour(entry: DatabaseEntry, env: Environment, role: str) -> None:
    """Pooling, time-outs, isolation and the name that the server shows for the session."""
    options = entry["OPTIONS"]
    mode = pool_mode(env)
    options["application_name"] = f"holdfast-{role}"
    options["connect_timeout"] = env.integer("DATABASE_CONNECT_TIMEOUT", minimum=1, maximum=60)
    options["connect_retry"] = env.integer("DATABASE_CONNECT_RETRY", minimum=0, maximum=60)
    options["isolation_level"] = IsolationLevel.READ_COMMITTED
    if not is_socket(entry):
        options.update(KEEPALIVES)
    statement = env.integer("DATABASE_STATEMENT_TIMEOUT", minimum=1, maximum=86400)
    if role in ("app", "auditor"):
        # The server ends the statement first, unless its answer is lost on the way.
        options["answer_timeout"] = statement + ANSWER_MARGIN_SECONDS
    entry["ATOMIC_REQUESTS"] = False
    entry["CONN_HEALTH_CHECKS"] = True
    entry["CONN_MAX_AGE"] = 0
    if role == "app" and mode == "persistent":
        entry["CONN_MAX_AGE"] = env.integer("DATABASE_CONN_MAX_AGE", minimum=0, maximum=86400)
    if role == "app" and mode == "native":
        options["pool"] = _pool_options(env)
    if role == "app" and mode == "pgbouncer":
        # In transaction mode a later statement may meet another server connection.
        entry["DISABLE_SERVER_SIDE_CURSORS"] = True
        options["prepare_threshold"] = None
    else:
        # PgBouncer refuses start-up options: there the role carries its time-outs.
        options["options"] = " ".join(
            f"-c {name}={value}" for name, value in session_settings(env, role)
        )


def session_settings(env: Environment, role: str) -> list[tuple[str, str]]:
    """Server settings of a role's sessions: what a statement may hold up, in milliseconds, and UTC.

    Without the time zone Django would set it first on every new connection, one more question.
    """
    statement = env.integer("DATABASE_STATEMENT_TIMEOUT", minimum=1, maximum=86400)
    lock = env.integer("DATABASE_LOCK_TIMEOUT", minimum=1, maximum=3600)
    idle = env.integer("DATABASE_IDLE_TIMEOUT", minimum=1, maximum=86400)
    return [
        # A migration or a backup may rightly take long; waiting for a lock may not.
        ("statement_timeout", f"{statement * 1000 if role in ('app', 'auditor') else 0}"),
        ("lock_timeout", f"{lock * 1000}"),
        ("idle_in_transaction_session_timeout", f"{idle * 1000}"),
        ("TimeZone", SESSION_TIME_ZONE),
    ]


def pool_mode(env: Environment) -> str:
    """The pooling mode; two that exclude each other stop the start."""
    mode = env.choice("DATABASE_POOL", POOL_MODES)
    if mode != "persistent" and env.is_set("DATABASE_CONN_MAX_AGE"):
        raise ConfigurationError(
            f"DATABASE_POOL is {mode!r} and DATABASE_CONN_MAX_AGE is set; pools and persistent "
            "connections exclude each other. Remove DATABASE_CONN_MAX_AGE."
        )
    return mode


def refuse_persistent(env: Environment) -> None:
    """Stop an ASGI process whose connections would each stay behind in a thread of its own."""
    if pool_mode(env) == "persistent":
        raise ConfigurationError(
            "DATABASE_POOL is 'persistent' under ASGI, where every request would leave a "
            "connection behind; expected DATABASE_POOL=native or pgbouncer, or WEB_INTERFACE=wsgi."
        )


def _pool_options(env: Environment) -> dict[str, Any]:
    """Options of psycopg's pool; `max_waiting` stays 0 because dead waiters would be counted."""
    size = env.integer("DATABASE_POOL_SIZE", minimum=1, maximum=1000)
    overflow = env.integer("DATABASE_POOL_MAX_OVERFLOW", minimum=0, maximum=1000)
    return {
        "min_size": 1,
        "max_size": size + overflow,
        "timeout": env.integer("DATABASE_POOL_TIMEOUT", minimum=1, maximum=30),
        "max_waiting": 0,
        "reconnect_timeout": 5,
        "max_lifetime": 1800,
        "max_idle": 300,
        "num_workers": 2,
        "name": "default",
    }
