"""The only reader of the environment: every variable is declared here, and read strictly."""

import difflib
import io
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import environ

BASE_DIR = Path(__file__).resolve().parent.parent

TRUE_WORDS = ("true", "yes", "on", "1")
FALSE_WORDS = ("false", "no", "off", "0")
ROLES = ("app", "owner", "auditor", "admin")


class ConfigurationError(Exception):
    """A variable is missing or wrong; the message names it and never shows a secret."""


@contextmanager
def one_sentence() -> Iterator[None]:
    """End the process with the sentence of a ConfigurationError, without a traceback.

    Exit code 3 is also gunicorn's for a worker that cannot boot: it ends instead of trying again.
    """
    try:
        yield
    except ConfigurationError as error:
        sys.stderr.write(f"Configuration: {error}\n")
        raise SystemExit(3) from None


@dataclass(frozen=True)
class Variable:
    """One variable of the environment, as `.env.example` and the documentation show it."""

    name: str
    help: str
    default: str | None = None
    secret: bool = False


def prefix_of(role: str) -> str:
    """The first part of a role's variables: `DATABASE` for app, `DATABASE_OWNER` for owner."""
    return "DATABASE" if role == "app" else f"DATABASE_{role.upper()}"


def _address_variables(role: str) -> list[Variable]:
    prefix = prefix_of(role)
    return [
        Variable(f"{prefix}_URL", f"Address of the database as the {role} role.", secret=True),
        Variable(f"{prefix}_HOST", f"Host or socket folder for {role}, instead of {prefix}_URL."),
        Variable(f"{prefix}_PORT", f"Port for {role}, instead of {prefix}_URL."),
        Variable(f"{prefix}_NAME", f"Database name for {role}, instead of {prefix}_URL."),
        Variable(f"{prefix}_USER", f"User for {role}, instead of {prefix}_URL."),
        Variable(f"{prefix}_PASSWORD", f"Password for {role}, with the parts.", secret=True),
        Variable(f"{prefix}_PASSWORD_FILE", f"File that holds the password for {role}."),
        Variable(f"{prefix}_SSLMODE", f"sslmode for {role}, with the parts.", "verify-full"),
        Variable(f"{prefix}_SSLROOTCERT", f"File of the certificate authority for {role}."),
    ]


VARIABLES: tuple[Variable, ...] = (
    Variable(
        "ENVIRONMENT", "production, development or test. Missing means production.", "production"
    ),
    Variable("SECRET_KEY", "Django's signing key: at least 50 random characters.", secret=True),
    Variable("DEBUG", "Django's debug pages: true or false; refused in production.", "false"),
    Variable("ALLOWED_HOSTS", "Host names that the site answers to, separated by commas."),
    Variable("CSRF_TRUSTED_ORIGINS", "Origins trusted for forms, such as https://a.example.", ""),
    Variable("TLS_PROXY", "true when a proxy that ends TLS sets X-Forwarded-Proto.", "false"),
    Variable("HSTS_SECONDS", "How long browsers must insist on HTTPS, in production.", "31536000"),
    Variable("LOG_LEVEL", "DEBUG, INFO, WARNING or ERROR.", "INFO"),
    *(variable for role in ROLES for variable in _address_variables(role)),
    Variable(
        "DATABASE_SSLMODE_MINIMUM",
        "Weakest TLS that production accepts: verify-full, verify-ca or require.",
        "verify-full",
    ),
    Variable("DATABASE_POOL", "persistent, native or pgbouncer.", "persistent"),
    Variable("DATABASE_POOL_SIZE", "Connections a process should need (native).", "5"),
    Variable("DATABASE_POOL_MAX_OVERFLOW", "Connections beyond that under load (native).", "10"),
    Variable("DATABASE_POOL_TIMEOUT", "Seconds a request waits for a connection (native).", "3"),
    Variable("DATABASE_CONN_MAX_AGE", "Seconds that a persistent connection lives.", "60"),
    Variable("DATABASE_CONNECT_TIMEOUT", "Seconds to wait for the server to accept.", "3"),
    Variable("DATABASE_STATEMENT_TIMEOUT", "Seconds that one statement of app may take.", "30"),
    Variable("DATABASE_LOCK_TIMEOUT", "Seconds that a statement waits for a lock.", "5"),
    Variable("DATABASE_IDLE_TIMEOUT", "Seconds that a transaction may stay idle.", "60"),
    Variable("BACKUP_DIR", "Folder of the backups.", "var/backups"),
    Variable("PORT", "Port that the web server listens on.", "8000"),
    Variable("WEB_HOST", "Address that the web server listens on.", "127.0.0.1"),
    Variable("WEB_CONCURRENCY", "Worker processes of the web server.", "2"),
    Variable("WEB_THREADS", "Threads in each worker process.", "4"),
    Variable("WEB_REPLICAS", "Machines or containers that run the web server.", "1"),
)

_DECLARED = {variable.name: variable for variable in VARIABLES}


def declared(name: str) -> Variable:
    """The declaration of a variable; reading one that is not declared is a programming error."""
    return _DECLARED[name]


@dataclass
class Environment:
    """Strict access to the declared variables of one process.

    `values` holds the variables as text; a variable set to nothing counts as missing.
    """

    values: Mapping[str, str] = field(repr=False)
    hidden: frozenset[str] = frozenset()

    def text(self, name: str, default: str | None = None) -> str | None:
        variable = declared(name)
        fallback = default if default is not None else variable.default
        if name in self.hidden:
            return fallback
        value = self.values.get(name, "").strip()
        if "\x00" in value:
            raise ConfigurationError(f"{name} holds a NUL character.")
        return value or fallback

    def is_set(self, name: str) -> bool:
        """Whether the variable has a value of its own, not only a default."""
        return name not in self.hidden and bool(self.values.get(declared(name).name, "").strip())

    def required(self, name: str, remedy: str) -> str:
        value = self.text(name)
        if value is None:
            raise ConfigurationError(f"{name} is not set. {remedy}")
        return value

    def boolean(self, name: str) -> bool:
        value = self.text(name)
        if value is None or value.lower() in FALSE_WORDS:
            return False
        if value.lower() in TRUE_WORDS:
            return True
        raise ConfigurationError(
            f"{name} is {self._shown(name, value)}; expected true or false "
            f"({', '.join(TRUE_WORDS)} or {', '.join(FALSE_WORDS)})."
        )

    def integer(self, name: str, *, minimum: int, maximum: int) -> int:
        value = self.text(name)
        if value is None or not re.fullmatch(r"[0-9]{1,10}", value, re.ASCII):
            raise ConfigurationError(
                f"{name} is {self._shown(name, value)}; "
                f"expected a whole number from {minimum} to {maximum}."
            )
        number = int(value)
        if not minimum <= number <= maximum:
            raise ConfigurationError(f"{name} is {number}; expected {minimum} to {maximum}.")
        return number

    def choice(self, name: str, choices: Sequence[str]) -> str:
        value = self.text(name)
        if value is None or value not in choices:
            raise ConfigurationError(
                f"{name} is {self._shown(name, value)}; expected {_one_of(choices)}."
            )
        return value

    def listing(self, name: str) -> list[str]:
        return [
            item for item in (part.strip() for part in (self.text(name) or "").split(",")) if item
        ]

    def _shown(self, name: str, value: str | None) -> str:
        if value is None:
            return "not set"
        return "not valid" if declared(name).secret else repr(value[:80])


def _one_of(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a `.env` file; {} when there is none.

    Every line is checked before django-environ sees it, because that library logs whole lines
    that it cannot read, and a line may hold a password.
    """
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigurationError(f"{path.name} cannot be read: {reason}.") from None
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = re.fullmatch(r"(?:export )?([A-Z][A-Z0-9_]*)=(.*)", line)
        if match is None:
            raise ConfigurationError(
                f"{path.name}, line {number}: expected NAME=value without spaces around '='."
            )
        _refuse_unknown(match[1], f"{path.name}, line {number}")

    class File(environ.Env):
        ENVIRON: dict[str, str] = {}

    File.read_env(io.StringIO(content))
    return File.ENVIRON


def _refuse_unknown(name: str, where: str) -> None:
    if name in _DECLARED:
        return
    near = difflib.get_close_matches(name, _DECLARED, n=1)
    hint = f" Did you mean {near[0]}?" if near else " config/env.py declares the known ones."
    raise ConfigurationError(f"{where}: {name} is not a known variable.{hint}")


def _refuse_misspelt(names: Sequence[str]) -> None:
    """Stop at a process variable that is nearly one of ours; other programs' names pass."""
    for name in names:
        if name in _DECLARED:
            continue
        near = difflib.get_close_matches(name, _DECLARED, n=1, cutoff=0.95)
        if near:
            raise ConfigurationError(f"{name} is not a known variable. Did you mean {near[0]}?")


def load_environment() -> Environment:
    """The process's variables over those of `.env` beside manage.py."""
    ours = {name: value for name, value in os.environ.items() if name in _DECLARED}
    _refuse_misspelt([name for name in os.environ if name.startswith(("DATABASE_", "ENVIRON"))])
    return Environment({**read_env_file(BASE_DIR / ".env"), **ours}, hidden=_hidden)


_hidden: frozenset[str] = frozenset()


def become_web_process() -> None:
    """Forget the addresses of every role but app, before settings are read.

    The web process holds app's credentials only, also where one `.env` has them all.
    """
    global _hidden  # settings are loaded by name, so nothing can be handed to them
    _hidden = frozenset(
        variable.name for role in ROLES if role != "app" for variable in _address_variables(role)
    )
    for name in _hidden:
        os.environ.pop(name, None)
