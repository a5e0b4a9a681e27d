"""Of an archive's list, schemas come first, then what only a superuser makes, then the rest."""

from apps.backups.extensions import Parts, parts_of

HEADER = ";     Dumped from database version: 18.6"
SCHEMA = "6; 2615 16390 SCHEMA - apart service_owner"
MIGHTY = "2; 3079 16391 EXTENSION - pageinspect "
REMARK = "3600; 0 0 COMMENT - EXTENSION pageinspect "
TRUSTED = "3; 3079 16402 EXTENSION - pg_trgm "
TABLE = "230; 1259 16500 TABLE public pageinspect service_owner"
COMMENT = "3601; 0 0 COMMENT - SCHEMA apart service_owner"
ACL = "3602; 0 0 ACL - SCHEMA apart service_owner"


def test_each_line_has_one_place() -> None:
    lines = [HEADER, SCHEMA, MIGHTY, REMARK, TRUSTED, TABLE, COMMENT, ACL]
    assert parts_of(lines, ["pageinspect"]) == Parts(
        schemas=[SCHEMA],
        extensions=[MIGHTY, REMARK],
        rest=[HEADER, TRUSTED, TABLE, COMMENT, ACL],
    )


def test_without_such_extensions_schemas_alone_are_taken_out() -> None:
    assert parts_of([SCHEMA, MIGHTY], []) == Parts([SCHEMA], [], [MIGHTY])
