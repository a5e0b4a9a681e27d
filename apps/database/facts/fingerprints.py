"""How a table's rows become one number that every changed value changes, whatever their order.

A fingerprint is the sum of 64-bit hashes of the rows. A method never changes once it is here: the
sidecars of old backups name the one that theirs were taken by.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper
from psycopg.sql import SQL, Composable, Composed, Identifier, Literal

NEWEST = 3
METHODS = (1, 2, NEWEST)

Table = tuple[str, str]

# Types whose hash tells every two values apart that print differently. An enum's hash is of its
# number, which a restore changes; a numeric without a scale is equal to itself with more zeros.
HASHED_TYPES = (
    "bool", "int2", "int4", "int8", "text", "varchar", "uuid", "date", "timestamp", "timestamptz",
    "bytea", "inet", "jsonb", "_int4", "_int8", "_text", "_varchar", "_uuid",
)  # fmt: skip

RECORDS = {
    # Hashed twice: a record's hash is a sum of its columns' hashes, so that values which change
    # places between two rows would leave the sum of the rows as it is.
    "record": (
        "SELECT count(*), coalesce(sum(pg_catalog.hashtextextended("
        "pg_catalog.hash_record_extended(t, 0)::text, 0)), 0)::text FROM ONLY {} t"
    ),
    "text": (
        "SELECT count(*), coalesce(sum(pg_catalog.hashtextextended(t::text, 0)), 0)::text"
        " FROM ONLY {} t"
    ),
}

# The second method: each column by a hash of its own, seeded with its place, so that no row is
# copied and only what needs it is made text. The place stands for NULL. Hashing the whole once
# more keeps values that change places between two rows from cancelling each other out.
COLUMNS = (
    "SELECT count(*), coalesce(sum(pg_catalog.hashint4extended(0, {})), 0)::text FROM ONLY {} t"
)
# What every version since 14 can be asked for; a whole bigint fits in as the seed only.
FUNCTIONS = {
    "int2": "pg_catalog.hashint2extended({column}, {place})",
    "int4": "pg_catalog.hashint4extended({column}, {place})",
    "int8": "pg_catalog.hashint4extended({place}, {column})",
    "text": 'pg_catalog.hashtextextended({column} COLLATE pg_catalog."C", {place})',
    "varchar": 'pg_catalog.hashtextextended({column} COLLATE pg_catalog."C", {place})',
    "uuid": "pg_catalog.uuid_hash_extended({column}, {place})",
    "inet": "pg_catalog.hashinetextended({column}, {place})",
    "timestamp": "pg_catalog.timestamp_hash_extended({column}, {place})",
    "numeric": "pg_catalog.hash_numeric_extended({column}, {place})",
}
# The third method: what needs text is made text by itself; as part of a record it is quoted too,
# and costs half as much again. Only PostgreSQL's own types: another may be cast to less than it is.
AS_TEXT = 'pg_catalog.hashtextextended({column}::pg_catalog.text COLLATE pg_catalog."C", {place})'
ROWS = {
    "record": "pg_catalog.hash_record_extended(ROW({}), 0)",
    "text": "pg_catalog.hashtextextended(ROW({})::text, 0)",
}
# What has a hash that cannot be called by its name, such as a boolean's before PostgreSQL 18.
IN_RECORDS = (
    "bool", "date", "timestamptz", "bytea", "_int4", "_int8", "_text", "_varchar", "_uuid",
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column: `kind` is the name of a type of PostgreSQL's own, else empty.

    `scaled` tells whether the type has a modifier, as numeric(6, 2) has.
    """

    name: str
    kind: str
    scaled: bool
    deterministic: bool

    @property
    def way(self) -> str:
        """By a "function", in a "record", or as "text"."""
        if self.kind in FUNCTIONS and (self.kind != "numeric" or self.scaled):
            return "function"
        return "record" if self.kind in IN_RECORDS and self.deterministic else "text"


def questions(
    cursor: CursorWrapper, method: int, tables: Iterable[Table]
) -> Iterator[tuple[Table, Composed]]:
    """For each table the statement that answers with its number of rows and its fingerprint."""
    columns = _columns(cursor)
    for table in tables:
        there = columns.get(table, [])
        yield table, _by_record(table, there) if method == 1 else _by_column(table, there, method)


def _by_record(table: Table, columns: list[Column]) -> Composed:
    hashed = bool(columns) and all(
        (column.kind in HASHED_TYPES or (column.kind == "numeric" and column.scaled))
        and column.deterministic
        for column in columns
    )
    return SQL(RECORDS["record" if hashed else "text"]).format(Identifier(*table))


def _by_column(table: Table, columns: list[Column], method: int) -> Composed:
    parts: list[Composable] = []
    together: dict[str, list[Composable]] = {way: [] for way in ROWS}
    for place, column in enumerate(columns, start=1):
        name, alone = Identifier("t", column.name), _alone(column, method)
        if alone is None:
            together[column.way].append(name)
        else:
            hashed = alone.format(column=name, place=Literal(place))
            parts.append(SQL("coalesce({}, {})").format(hashed, Literal(place)))
    for way, rest in together.items():
        if rest:
            parts.append(SQL(ROWS[way]).format(SQL(", ").join(rest)))
    return SQL(COLUMNS).format(_together(parts), Identifier(*table))


def _alone(column: Column, method: int) -> SQL | None:
    """How the column is hashed by itself; None where it is with others of its way."""
    if column.way == "function":
        return SQL(FUNCTIONS[column.kind])
    as_text = column.way == "text" and column.kind and method > 2
    return SQL(AS_TEXT) if as_text else None


def _together(parts: list[Composable]) -> Composable:
    """The exclusive or of all; in pairs, because a long chain would go deep."""
    while len(parts) > 1:
        pairs = [parts[place : place + 2] for place in range(0, len(parts), 2)]
        parts = [
            SQL("({})").format(SQL(" OPERATOR(pg_catalog.#) ").join(pair)) if pair[1:] else pair[0]
            for pair in pairs
        ]
    return parts[0] if parts else Literal(0)


def _columns(cursor: CursorWrapper) -> dict[Table, list[Column]]:
    """The columns of every table that is no system's, in their order."""
    cursor.execute(
        """
        SELECT n.nspname, c.relname, a.attname,
               CASE WHEN t.typnamespace = 'pg_catalog'::regnamespace THEN t.typname::text
                    ELSE '' END,
               a.atttypmod <> -1, coalesce(l.collisdeterministic, true)
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
        WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')
        ORDER BY 1, 2, a.attnum
        """
    )
    found: dict[Table, list[Column]] = {}
    for schema, table, *column in cursor.fetchall():
        found.setdefault((schema, table), []).append(Column(*column))
    return found
