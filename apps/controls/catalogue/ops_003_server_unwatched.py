"""The server writes down what somebody will ask about after an incident.

Who came and went, which statement was slow, who waited for whose lock, how long the disk took. What
is not counted while it happens cannot be asked for later. Where only diagnosis suffers the finding
is a warning; where the server goes blind for its own work, such as autovacuum, it is an error.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from apps.controls.control import Finding, Level, Specimen, control
from apps.controls.inspection import Inspection, sees_monitoring
from apps.controls.planting import configure, restarted, sequence, sql
from apps.database.facts.watching import LIBRARY, choices, statement_statistics

# Whoever is shown a slow page waits about so long; what takes longer must have left a line.
SLOWEST_MILLISECONDS = 10_000
_OFF = ("off", "false", "no", "0", "")
# What a connection's line must name: a role, not only an address.
_NAMES_THE_ROLE = ("on", "true", "yes", "1", "all", "authentication", "authorization")


def _is_on(value: str) -> bool:
    return value.lower() not in _OFF


def _names_who_came(value: str) -> bool:
    """Since PostgreSQL 18 the setting lists the stages that are written down."""
    return any(word.strip().lower() in _NAMES_THE_ROLE for word in value.split(","))


def _within_the_limit(value: str) -> bool:
    milliseconds = _milliseconds(value)
    return milliseconds is not None and 0 <= milliseconds <= SLOWEST_MILLISECONDS


def _milliseconds(value: str) -> float | None:
    """A duration as pg_settings (a number) or a role's own setting (`5s`) writes it."""
    units = {"us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
    number = value.strip().rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = value.strip()[len(number) :].strip() or "ms"
    try:
        return float(number) * units[unit]
    except (KeyError, ValueError):
        return None


@dataclass(frozen=True)
class Wanted:
    """What a setting must be, what is lost otherwise, and a value that serves."""

    good: Callable[[str], bool]
    lost: str
    value: str
    level: Level = Level.WARNING


CONNECTIONS = {
    "log_connections": Wanted(_names_who_came, "nobody can say who came, and from where", "on"),
    "log_disconnections": Wanted(_is_on, "nobody can say when a session ended", "on"),
}
SLOWNESS = {
    "log_min_duration_statement": Wanted(
        _within_the_limit, "a statement that takes minutes leaves no line", "1s"
    ),
    "log_lock_waits": Wanted(_is_on, "a wait for a lock leaves no line", "on"),
    "log_checkpoints": Wanted(_is_on, "a disk that is too slow leaves no line", "on"),
}
COUNTING = {
    "track_activities": Wanted(
        _is_on, "sessions do not say what they do; no other control sees them", "on", Level.ERROR
    ),
    "track_counts": Wanted(
        _is_on, "autovacuum does not work, and tables grow and age", "on", Level.ERROR
    ),
    "track_io_timing": Wanted(_is_on, "a plan does not say whether the disk was slow", "on"),
}


def _missed(inspection: Inspection, title: str, wanted: dict[str, Wanted]) -> Iterator[Finding]:
    """What is wrong with the settings, on the server or for a role or database of its own."""
    found = choices(inspection.cursor, list(wanted))
    inspection.evidence["settings"] = {
        choice.name
        if choice.where == "server"
        else f"{choice.name} of {choice.where}": choice.value
        for choice in found
    }
    for choice in found:
        want = wanted[choice.name]
        if want.good(choice.value):
            continue
        on_server = choice.where == "server"
        remedy = f"ALTER SYSTEM SET {choice.name} = '{want.value}'; SELECT pg_reload_conf();"
        yield Finding(
            want.level,
            title,
            choice.name if on_server else f"{choice.name} of {choice.where}",
            f"{choice.name} is {choice.value or 'empty'}: {want.lost}.",
            remedy if on_server else _reset(choice.name, choice.where),
        )


def _reset(name: str, where: str) -> str:
    """The statement that takes a setting of a role or database of its own away."""
    role, _, database = where.partition(" in ")
    if role.startswith("database "):
        return f'ALTER DATABASE "{role.partition(" ")[2]}" RESET {name};'
    within = f' IN DATABASE "{database.partition(" ")[2]}"' if database else ""
    return f'ALTER ROLE "{role.partition(" ")[2]}"{within} RESET {name};'


_CONNECTIONS = configure(log_connections="on", log_disconnections="on")


@control(
    "OPS-003.2",
    "The server writes down who connects, and until when",
    specimens=(
        Specimen(
            "connections leave no line",
            plant=configure(log_connections="off", log_disconnections="on"),
            repair=_CONNECTIONS,
            near_miss=sequence(_CONNECTIONS, configure(log_hostname="off")),
            subject="log_connections",
        ),
        Specimen(
            "their ends leave no line",
            plant=configure(log_connections="on", log_disconnections="off"),
            repair=_CONNECTIONS,
            near_miss=configure(log_connections="authorization", log_disconnections="on"),
            subject="log_disconnections",
        ),
        Specimen(
            "only an address is written down",
            plant=configure(log_connections="receipt", log_disconnections="on"),
            repair=_CONNECTIONS,
            near_miss=configure(log_connections="receipt,authentication", log_disconnections="on"),
            subject="log_connections",
        ),
    ),
)
def connections_leave_lines(inspection: Inspection) -> Iterator[Finding]:
    yield from _missed(inspection, "Connections leave no trace", CONNECTIONS)


_SLOWNESS = configure(log_min_duration_statement="1s", log_lock_waits="on", log_checkpoints="on")


@control(
    "OPS-003.3",
    "The server writes down what was slow: statements, lock waits, checkpoints",
    specimens=(
        Specimen(
            "slow statements leave no line",
            plant=sequence(_SLOWNESS, configure(log_min_duration_statement="-1")),
            repair=_SLOWNESS,
            near_miss=sequence(_SLOWNESS, configure(log_min_duration_statement="10s")),
            subject="log_min_duration_statement",
        ),
        Specimen(
            "only what takes longer than anybody waits",
            plant=sequence(_SLOWNESS, configure(log_min_duration_statement="11s")),
            repair=_SLOWNESS,
            near_miss=sequence(_SLOWNESS, configure(log_min_duration_statement="0")),
            subject="log_min_duration_statement",
        ),
        Specimen(
            "lock waits leave no line",
            plant=sequence(_SLOWNESS, configure(log_lock_waits="off")),
            repair=_SLOWNESS,
            near_miss=sequence(_SLOWNESS, configure(deadlock_timeout="5s")),
            subject="log_lock_waits",
        ),
        Specimen(
            "checkpoints leave no line",
            plant=sequence(_SLOWNESS, configure(log_checkpoints="off")),
            repair=_SLOWNESS,
            near_miss=sequence(_SLOWNESS, configure(checkpoint_timeout="30min")),
            subject="log_checkpoints",
        ),
        Specimen(
            "the service's own statements are excepted",
            plant=sequence(
                _SLOWNESS, sql("ALTER ROLE scratch_app SET log_min_duration_statement = -1")
            ),
            repair=sql("ALTER ROLE scratch_app RESET log_min_duration_statement"),
            near_miss=sequence(
                _SLOWNESS, sql("ALTER ROLE scratch_app SET log_min_duration_statement = '250ms'")
            ),
            subject="log_min_duration_statement of role scratch_app",
        ),
    ),
)
def slowness_leaves_lines(inspection: Inspection) -> Iterator[Finding]:
    yield from _missed(inspection, "What is slow leaves no trace", SLOWNESS)


_COUNTING = configure(track_activities="on", track_counts="on", track_io_timing="on")


@control(
    "OPS-003.4",
    "The server counts what its tables, its sessions and its disk do",
    specimens=(
        Specimen(
            "the disk's time is not taken",
            plant=configure(track_io_timing="off"),
            repair=_COUNTING,
            near_miss=sequence(_COUNTING, configure(track_wal_io_timing="off")),
            subject="track_io_timing",
        ),
        Specimen(
            "changed rows are not counted",
            plant=sequence(_COUNTING, configure(track_counts="off")),
            repair=_COUNTING,
            near_miss=sequence(_COUNTING, configure(track_functions="none")),
            subject="track_counts",
        ),
        Specimen(
            "sessions do not say what they do",
            plant=sequence(_COUNTING, configure(track_activities="off")),
            repair=_COUNTING,
            near_miss=sequence(_COUNTING, configure(track_commit_timestamp="off")),
            subject="track_activities",
        ),
    ),
)
def work_is_counted(inspection: Inspection) -> Iterator[Finding]:
    yield from _missed(inspection, "The server does not count its work", COUNTING)


_LOADED = restarted(shared_preload_libraries=LIBRARY)
_CREATE = sql(f"CREATE EXTENSION {LIBRARY}")


@control(
    "OPS-003.5",
    "Statements are counted, and the counts can be read here",
    sees=(sees_monitoring,),
    specimens=(
        Specimen(
            "nothing counts statements",
            plant=restarted(shared_preload_libraries=""),
            repair=sequence(_LOADED, _CREATE),
            near_miss=sequence(
                restarted(shared_preload_libraries=f"auto_explain, {LIBRARY}"),
                sql("CREATE SCHEMA watching", f"CREATE EXTENSION {LIBRARY} SCHEMA watching"),
            ),
            subject="shared_preload_libraries",
        ),
        Specimen(
            "counted, and this database has no view of it",
            plant=_LOADED,
            repair=_CREATE,
            near_miss=sequence(_LOADED, _CREATE, configure(**{f"{LIBRARY}.track": "all"})),
            subject=f"extension {LIBRARY}",
        ),
        Specimen(
            "told to count nothing",
            plant=sequence(_LOADED, _CREATE, configure(**{f"{LIBRARY}.track": "none"})),
            repair=configure(**{f"{LIBRARY}.track": "top"}),
            near_miss=sequence(_LOADED, _CREATE, configure(**{f"{LIBRARY}.track_planning": "off"})),
            subject=f"{LIBRARY}.track",
        ),
    ),
)
def statements_are_counted(inspection: Inspection) -> Iterator[Finding]:
    seen = statement_statistics(inspection.cursor)
    inspection.evidence.update(loaded=seen.loaded, schema=seen.schema, track=seen.track)
    title = "Nobody can say which statements cost the most"
    if not seen.loaded:
        yield Finding(
            Level.WARNING,
            title,
            "shared_preload_libraries",
            f"{LIBRARY} is not loaded.",
            f"Add {LIBRARY} to shared_preload_libraries, restart the server, then "
            f"CREATE EXTENSION IF NOT EXISTS {LIBRARY};",
        )
    elif seen.schema is None:
        yield Finding(
            Level.WARNING,
            title,
            f"extension {LIBRARY}",
            "The server counts statements, and this database has no view of the counts.",
            f"CREATE EXTENSION {LIBRARY};",
        )
    elif seen.track == "none":
        yield Finding(
            Level.WARNING,
            title,
            f"{LIBRARY}.track",
            "It is none: nothing is counted.",
            f"ALTER SYSTEM SET {LIBRARY}.track = 'top'; SELECT pg_reload_conf();",
        )
