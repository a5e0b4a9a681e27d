"""Facts about credentials that the server keeps where somebody can read them.

No value leaves the server where a question can be answered there: what is fetched are names, kinds
and counts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from django.db.backends.utils import CursorWrapper
from psycopg.sql import SQL, Identifier

# An address with a password in it, or a statement that carries a password in clear. A SCRAM
# verifier or an md5 hash in a statement is no password, but it serves to guess one: both count.
SECRET_TEXT = re.compile(
    r"[a-z][a-z0-9+.-]*://[^\s:/@]+:[^\s/@]+@|\bpassword\s*(=\s*|\s)\s*'[^']+'", re.IGNORECASE
)
# The same for PostgreSQL, in statements that are kept: `$1` stands there for values. A SCRAM
# verifier does not count here, because it is what `provision_roles` and `\password` send.
KEPT_STATEMENT = (
    r"[a-z][a-z0-9+.-]*://[^\s:/@$]+:[^\s/@$]+@"
    r"|\ypassword\s*(=\s*|\s)\s*'(?!SCRAM-SHA-256\$)[^']+'"
)
# The last word or two of a name that means a credential, as names in snake or camel case end.
_NAMES_ONE = re.compile(
    r"(^|_)(password|passwd|passphrase|passcode|pwd|secret|token|credentials?|apikey"
    r"|(api|access|private|secret|client|signing|encryption)_?key)s?$",
    re.IGNORECASE,
)
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def names_a_credential(name: str) -> bool:
    """Whether a column's, an option's or a setting's name says that its value is one."""
    return bool(_NAMES_ONE.search(_CAMEL.sub("_", name.rpartition(".")[2]).replace("-", "_")))


@dataclass(frozen=True)
class StoredPassword:
    """How a role's password is stored: `md5`, `scram` or `other`; never the password."""

    role: str
    kind: str
    may_log_in: bool


def stored_passwords(cursor: CursorWrapper) -> list[StoredPassword] | None:
    """The roles that have a password, by name; None where this session may not read pg_authid."""
    cursor.execute(
        """
        SELECT bool_and(pg_catalog.has_column_privilege('pg_catalog.pg_authid', name, 'SELECT'))
        FROM pg_catalog.unnest(ARRAY['rolname', 'rolcanlogin', 'rolpassword']) name
        """
    )
    if not cursor.fetchone()[0]:
        return None
    cursor.execute(
        """
        SELECT rolname,
               CASE WHEN rolpassword ~ '^md5[0-9a-f]{32}$' THEN 'md5'
                    WHEN rolpassword ~ '^SCRAM-SHA-256\\$' THEN 'scram'
                    ELSE 'other' END,
               rolcanlogin
        FROM pg_catalog.pg_authid WHERE rolpassword IS NOT NULL ORDER BY 1
        """
    )
    return [StoredPassword(*row) for row in cursor.fetchall()]


@dataclass(frozen=True)
class ForeignOptions:
    """The names of the options that a foreign server, table or user mapping has.

    `options` is None where this session may not see a mapping's.
    """

    kind: str
    name: str
    owner: str
    options: tuple[str, ...] | None


_OPTION_NAMES = """ARRAY(SELECT pg_catalog.split_part(o, '=', 1) FROM pg_catalog.unnest({}) o
                         WHERE o !~ '=$' ORDER BY 1)"""
_FOREIGN = {
    "SERVER": SQL("SELECT srvname, '', {} FROM pg_catalog.pg_foreign_server ORDER BY 1").format(
        SQL(_OPTION_NAMES).format(SQL("srvoptions"))
    ),
    "FOREIGN DATA WRAPPER": SQL(
        "SELECT fdwname, '', {} FROM pg_catalog.pg_foreign_data_wrapper ORDER BY 1"
    ).format(SQL(_OPTION_NAMES).format(SQL("fdwoptions"))),
    "FOREIGN TABLE": SQL(
        """
        SELECT n.nspname || '.' || c.relname, '', {} FROM pg_catalog.pg_foreign_table f
        JOIN pg_catalog.pg_class c ON c.oid = f.ftrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace ORDER BY 1
        """
    ).format(SQL(_OPTION_NAMES).format(SQL("ftoptions"))),
}
_MAPPINGS = SQL(
    "SELECT srvname, coalesce(usename, 'public'), CASE WHEN umoptions IS NOT NULL THEN {} END"
    " FROM pg_catalog.pg_user_mappings ORDER BY 1, 2"
).format(SQL(_OPTION_NAMES).format(SQL("umoptions")))
_ALL_MAPPINGS = SQL(
    "SELECT s.srvname, coalesce(r.rolname, 'public'), {} FROM pg_catalog.pg_user_mapping m"
    " JOIN pg_catalog.pg_foreign_server s ON s.oid = m.umserver"
    " LEFT JOIN pg_catalog.pg_roles r ON r.oid = m.umuser ORDER BY 1, 2"
).format(SQL(_OPTION_NAMES).format(SQL("m.umoptions")))


def foreign_options(cursor: CursorWrapper) -> list[ForeignOptions]:
    """The foreign objects of this database, by kind and name.

    The view of mappings shows NULL both for no options and for hidden ones; only who may read the
    catalog behind it can tell them apart.
    """
    found = []
    for kind, question in _FOREIGN.items():
        cursor.execute(question)  # sql-reviewed: composed above, of nothing from outside
        found += [ForeignOptions(kind, n, o, tuple(names)) for n, o, names in cursor.fetchall()]
    cursor.execute("SELECT pg_catalog.has_table_privilege('pg_catalog.pg_user_mapping', 'SELECT')")
    cursor.execute(_ALL_MAPPINGS if cursor.fetchone()[0] else _MAPPINGS)
    found += [
        ForeignOptions("USER MAPPING", name, owner, None if names is None else tuple(names))
        for name, owner, names in cursor.fetchall()
    ]
    return found


@dataclass(frozen=True)
class CredentialColumn:
    """A column of text whose name says that its values are credentials."""

    schema: str
    table: str
    column: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.table}.{self.column}"


def credential_columns(cursor: CursorWrapper) -> list[CredentialColumn]:
    """Such columns of this database's tables, by name, whoever may read them."""
    cursor.execute(
        """
        SELECT n.nspname, c.relname, a.attname
        FROM pg_catalog.pg_attribute a
        JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
        LEFT JOIN pg_catalog.pg_type b ON b.oid = t.typbasetype
        WHERE a.attnum > 0 AND NOT a.attisdropped AND NOT c.relispartition
          AND c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
          AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
          AND coalesce(b.typname, t.typname) IN ('text', 'varchar', 'bpchar', 'citext')
        ORDER BY 1, 2, 3
        """
    )
    return [CredentialColumn(*row) for row in cursor.fetchall() if names_a_credential(row[2])]


# What no reader can log in with: hashes by their forms, digests, ciphertext, references, masks.
_PROTECTED_FORMS = (
    # Django's, passlib's and the operating system's forms: algorithm, parameters, hash.
    r"^[a-z][a-z0-9_]*\$.{30,}$",
    r"^\$[a-z0-9-]+\$.{20,}$",
    r"^\{(S?SHA[0-9]*|S?MD5|CRYPT|PBKDF2[^}]*|BCRYPT|ARGON2)\}",
    r"^(SCRAM-SHA-[0-9]+\$.+|md5[0-9a-f]{32})$",
    # Django's mark of a password that never fits, and what locks an account in /etc/shadow.
    r"^!|^\*+$|^[xX*•]+$",
    # Digests in hexadecimal and base64.
    r"^(\\x)?([0-9a-fA-F]{32}|[0-9a-fA-F]{40}|[0-9a-fA-F]{56}|[0-9a-fA-F]{64})$",
    r"^(\\x)?([0-9a-fA-F]{96}|[0-9a-fA-F]{128})$",
    r"^[A-Za-z0-9+/_-]{43}=?$|^[A-Za-z0-9+/_-]{64}$|^[A-Za-z0-9+/_-]{86}(==)?$",
    # Ciphertext: Fernet, Vault's transit, KMS, JWE, PGP and age in armour, marked by hand.
    r"^gAAAAA[A-Za-z0-9_=-]{50,}$|^vault:v[0-9]+:|^AQICAH",
    r"^eyJ[\w-]*\.[\w-]*\.[\w-]*\.[\w-]+\.[\w-]+$",
    r"^-----BEGIN (PGP MESSAGE|AGE ENCRYPTED FILE)-----|^(enc|encrypted|aes[0-9]*)[:$]",
    # Where the secret lies, not the secret.
    r"^(arn:aws:|projects/|vault:|op://|ssm:|env:|file:|secret://|/run/secrets/)",
)
PROTECTED = "|".join(_PROTECTED_FORMS)
SAMPLE_ROWS = 1000


@dataclass(frozen=True)
class Sample:
    """How many values of a column were looked at, and how many of them are in clear."""

    values: int
    in_clear: int


def may_sample(cursor: CursorWrapper, column: CredentialColumn) -> bool:
    """Whether this session may read the column, and row security hides no row from it."""
    cursor.execute(
        """
        SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE')
               AND pg_catalog.has_column_privilege(c.oid, a.attnum, 'SELECT')
               AND NOT (c.relrowsecurity AND pg_catalog.row_security_active(c.oid))
        FROM pg_catalog.pg_class c
        JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid
        WHERE n.nspname = %s AND c.relname = %s AND a.attname = %s
        """,
        [column.schema, column.table, column.column],
    )
    row = cursor.fetchone()
    return bool(row and row[0])


def sample(cursor: CursorWrapper, column: CredentialColumn) -> Sample:
    """The server looks at the first rows of the table itself; only counts come back."""
    question = SQL(
        """
        SELECT count(*), count(*) FILTER (WHERE value !~ %s)
        FROM (SELECT {}::text AS value FROM {} LIMIT %s) looked_at WHERE value <> ''
        """
    ).format(Identifier(column.column), Identifier(column.schema, column.table))
    cursor.execute(question, [PROTECTED, SAMPLE_ROWS])
    return Sample(*cursor.fetchone())


# What a connection string, a command or an address says when it carries a credential itself.
_CARRIES = re.compile(
    r"(?:^|[\s'\"?&;])(?:--)?(?:[A-Za-z0-9_]*_)?(?:PG|ssl|SSL)?"
    r"(?:password|passwd|secret|token|api_?key|access_key)\s*=\s*"
    # A variable, a command's output or nothing is no credential.
    r"(?!['\"]?(?:\$|`|%|\s|$|['\"]\s*$))\S"
    r"|[a-z][a-z0-9+.-]*://[^\s:/@$]+:[^\s/@$]+@",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class TellingSetting:
    """A setting that carries a credential, and where it is set; never the value."""

    name: str
    where: str


def carries_a_credential(name: str, value: str) -> bool:
    """Whether a setting's value holds one, or its name says that it is one."""
    own = "." in name and names_a_credential(name)
    return bool(value) and (own or bool(_CARRIES.search(value)))


def telling_settings(cursor: CursorWrapper) -> tuple[list[TellingSetting], int]:
    """The server's, the roles' and this database's settings that carry a credential, and how many
    were looked at.
    """
    cursor.execute(
        """
        SELECT name, setting, 'server' FROM pg_catalog.pg_settings
        WHERE vartype = 'string' AND setting <> ''
        UNION ALL
        SELECT pg_catalog.split_part(entry, '=', 1),
               pg_catalog.substr(entry, pg_catalog.strpos(entry, '=') + 1),
               pg_catalog.concat_ws(' in ', 'role ' || r.rolname, 'database ' || d.datname)
        FROM pg_catalog.pg_db_role_setting s
        LEFT JOIN pg_catalog.pg_roles r ON r.oid = s.setrole
        LEFT JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase
        CROSS JOIN pg_catalog.unnest(s.setconfig) entry
        ORDER BY 1, 3
        """
    )
    rows = cursor.fetchall()
    found = [
        TellingSetting(name, at) for name, text, at in rows if carries_a_credential(name, text)
    ]
    return found, len(rows)


def counts_of(samples: Mapping[CredentialColumn, Sample]) -> dict[str, dict[str, int]]:
    """The samples as evidence: numbers by column."""
    return {
        str(column): {"values": seen.values, "in_clear": seen.in_clear}
        for column, seen in samples.items()
    }
