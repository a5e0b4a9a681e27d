"""One digest of a database's schema, the same before a dump and after its restore."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

from django.db.backends.utils import CursorWrapper

# PostgreSQL moves casts and brackets about when it reads its own text of an expression again.
CASTS = re.compile(r'::"?[a-z_][a-z_ ]*"?(\(\d+(,\d+)?\))?(\[\])?')
SHAPE = (Path(__file__).parent / "shape.sql").read_text(encoding="utf-8")


def schema_digest(cursor: CursorWrapper) -> str:
    """SHA-256 (hexadecimal) of tables, columns, constraints, indexes, views, functions, triggers.

    Owners and privileges are not in it, because a scratch restore has none. Inside a transaction.
    """
    cursor.execute("SET LOCAL search_path = ''")
    # sql-reviewed: the file beside this one.
    cursor.execute(SHAPE)
    lines = sorted([_steady(value) for value in row] for row in cursor.fetchall())
    return hashlib.sha256(json.dumps(lines).encode()).hexdigest()


def _steady(value: Any) -> str:
    return re.sub(r"[()\s]", "", CASTS.sub("", str(value)))
