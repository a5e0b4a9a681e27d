"""The only reader of the environment: every variable is declared here, and read strictly."""

import difflib
import io
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import environ
from cronsim import CronSim, CronSimError

from config.variables import (
    ASSESSED,
    LIBPQ_FORGOTTEN,
    LIBPQ_REFUSED,
    ROLES,
    VARIABLES,
    Variable,
    address_variables,
)

BASE_DIR = Path(__file__).resolve().parent.parent

TRUE_WORDS = ("true", "yes", "on", "1")
FALSE_WORDS = ("false", "no", "off", "0")
INTERFACES = ("wsgi", "asgi")
ENVIRONMENTS = ("production", "development", "test")
BACKUP_KEYS = ("BACKUP_S3_KEY_ID", "BACKUP_S3_SECRET", "BACKUP_AGE_IDENTITY")
CRON_FIELDS = 5
# Shorter names, such as DEBUG, have neighbours that mean something else.
SHORTEST_NAME_WITH_SLIPS = 10


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

    def text(self, name: str, default: str | None = None) -> str | None:
        variable = declared(name)
        value = self.values.get(name, "").strip()
        if "\x00" in value:
            raise ConfigurationError(f"{name} holds a NUL character.")
        # Bytes of a process variable that are no UTF-8 arrive as lone surrogates.
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise ConfigurationError(f"{name} is not UTF-8 text.")
        return value or (default if default is not None else variable.default)

    def is_set(self, name: str) -> bool:
        """Whether the variable has a value of its own, not only a default."""
        return bool(self.values.get(declared(name).name, "").strip())

    @property
    def production(self) -> bool:
        """Whether the rules of production hold; a missing ENVIRONMENT means that they do."""
        return self.choice("ENVIRONMENT", ENVIRONMENTS) == "production"

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

    def cron(self, name: str) -> str | None:
        """Five fields of cron, or None for `off`."""
        value = (self.text(name) or "").strip()
        if value == "off":
            return None
        try:
            CronSim(value, datetime.now(UTC))
        except CronSimError:
            valid = False
        else:
            valid = len(value.split()) == CRON_FIELDS
        if not valid:
            raise ConfigurationError(
                f"{name} is {self._shown(name, value)}; expected five fields of cron, such as "
                "'7 * * * *', or off."
            )
        return value

    def log_format(self) -> str:
        """`json` or `line`, as LOG_FORMAT or the environment says."""
        chosen = self.choice("LOG_FORMAT", ("auto", "line", "json"))
        if chosen == "auto":
            return "json" if self.production else "line"
        return chosen

    def listing(self, name: str) -> list[str]:
        return [
            item for item in (part.strip() for part in (self.text(name) or "").split(",")) if item
        ]

    def secret_values(self) -> list[str]:
        """What the variables hold that are secrets, and the files that stand for them, by line."""
        found = []
        for name in (variable.name for variable in VARIABLES if variable.secret):
            text = self.text(name) or ""
            file = self.text(f"{name}_FILE") if f"{name}_FILE" in _DECLARED else None
            if file and not text:
                text = read_text(BASE_DIR / file, f"{name}_FILE")
            # A file of keys has comments.
            lines = (line.strip() for line in text.splitlines())
            found += [line for line in lines if line and not line.startswith("#")]
        return found

    def _shown(self, name: str, value: str | None) -> str:
        if value is None:
            return "not set"
        return "not valid" if declared(name).secret else repr(value[:80])


def _one_of(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def read_text(path: Path, what: str) -> str:
    """The text of a file that may hold secrets."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{what} cannot be read: {error.strerror}.") from None
    # A UnicodeDecodeError would carry the whole content, even as a suppressed context.
    text = content.decode("utf-8-sig", errors="replace")
    if "\ufffd" in text:
        raise ConfigurationError(f"{what} cannot be read: not UTF-8 text.")
    return text


def read_env_file(path: Path) -> dict[str, str]:
    """The variables of a `.env` file; {} when there is none.

    Every line is checked before django-environ sees it, because that library logs whole lines
    that it cannot read, and a line may hold a password.
    """
    if not os.path.lexists(path):
        return {}
    content = read_text(path, path.name)
    assignments: dict[str, str] = {}
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        where = f"{path.name}, line {number}"
        name = _assigned_name(line, where)
        if name in assignments:
            raise ConfigurationError(f"{where}: {name} stands twice; remove one of the lines.")
        assignments[name] = line.rstrip()

    class File(environ.Env):
        ENVIRON: dict[str, str] = {}

    File.read_env(io.StringIO("\n".join(assignments.values())))
    return File.ENVIRON


def _assigned_name(line: str, where: str) -> str:
    match = re.fullmatch(r"(?:export )?([A-Z][A-Z0-9_]*)=(\S.*)?", line)
    if match is None:
        raise ConfigurationError(
            f"{where}: expected NAME=value, the name in capitals, without spaces around '='."
        )
    name, value = match[1], (match[2] or "").rstrip()
    if value[:1] in ("'", '"') and (len(value) < 2 or value[0] != value[-1]):
        raise ConfigurationError(f"{where}: the quotation mark before {name}'s value never closes.")
    _refuse_unknown(name, where)
    return name


def _refuse_unknown(name: str, where: str) -> None:
    if name in _DECLARED:
        return
    near = difflib.get_close_matches(name, _DECLARED, n=1)
    hint = f" Did you mean {near[0]}?" if near else " config/variables.py declares the known ones."
    raise ConfigurationError(f"{where}: {name} is not a known variable.{hint}")


def _refuse_misspelt(names: Iterable[str]) -> None:
    """Stop at a process variable that is one slip away from ours; other programs' names pass."""
    for name in names:
        if name in _DECLARED:
            continue
        for known in _DECLARED:
            if len(known) >= SHORTEST_NAME_WITH_SLIPS and _is_one_slip(name, known):
                raise ConfigurationError(f"{name} is not a known variable. Did you mean {known}?")


def _is_one_slip(name: str, known: str) -> bool:
    """Whether one letter is missing, too many, wrong or swapped with its neighbour."""
    shorter, longer = sorted((name, known), key=len)
    pairs = enumerate(zip(shorter, longer, strict=False))
    same = next((place for place, (a, b) in pairs if a != b), len(shorter))
    short, long = shorter[same:], longer[same:]
    if len(short) != len(long):
        return short == long[1:]
    return short[1:] == long[1:] or (short[:2] == long[1::-1] and short[2:] == long[2:])


def libpq_variables() -> list[str]:
    """The variables of this process that libpq would silently take for a connection."""
    return [name for name in (*LIBPQ_FORGOTTEN, *LIBPQ_REFUSED) if name in os.environ]


def _leave_libpq_nothing() -> None:
    for name in LIBPQ_FORGOTTEN:
        os.environ.pop(name, None)
    for name in libpq_variables():
        raise ConfigurationError(
            f"{name} is set, which PostgreSQL's library would add to every address; "
            f"expected DATABASE_… variables alone. Remove it: unset {name}"
        )


def load_environment() -> Environment:
    """What a process starts with: nothing of libpq's own, and the declared variables."""
    _leave_libpq_nothing()
    return current_environment()


def current_environment() -> Environment:
    """The process's variables over those of `.env` beside manage.py."""
    ours = {name: value for name, value in os.environ.items() if name in _DECLARED}
    _refuse_misspelt(os.environ)
    values = {**read_env_file(BASE_DIR / ".env"), **ours}
    return Environment({name: value for name, value in values.items() if name not in _forgotten})


_forgotten: frozenset[str] = frozenset()


def become_web_process() -> None:
    """Forget every address but app's and the keys of the backups, before settings.

    The web process holds app's credentials only, also where one `.env` has them all.
    """
    global _forgotten  # settings are loaded by name, so nothing can be handed to them
    _forgotten = frozenset(
        variable.name for role in ROLES if role != "app" for variable in address_variables(role)
    ).union((ASSESSED,), (name for name in _DECLARED if name.startswith(BACKUP_KEYS)))
    for name in _forgotten:
        os.environ.pop(name, None)
