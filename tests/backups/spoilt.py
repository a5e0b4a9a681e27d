"""Ways to spoil a backup, and the sentence by which each is told from all others."""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pyrage
import zstandard
from django.core.management import call_command
from django.test import override_settings

from apps.backups.catalogue import Backup, Proof, SequencePosition, find
from apps.backups.comparing import NotProven
from apps.backups.databases import CannotTell
from apps.backups.encryption import KeyProblem
from apps.backups.tools import ToolError
from apps.backups.verify import prove

OURS, THEIRS = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
MARK = b"a value worth keeping"
TABLES = (
    "CREATE TABLE public.kept (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, word text)",
    "CREATE INDEX kept_word ON public.kept (word)",
    f"INSERT INTO kept (word) SELECT '{MARK.decode()} ' || n FROM generate_series(1000, 1999) n",
)


@dataclass
class Workshop:
    """An honest backup in a folder, and the administrator's session on its database."""

    folder: Path
    admin: psycopg.Connection
    honest: Backup

    def stored(self) -> bytes:
        return (self.folder / self.honest.name).read_bytes()

    def seal(self, content: bytes, **said: object) -> Backup:
        """A backup of this content, whose sidecar has the right size and checksum of it."""
        name = "spoilt.psql.bin.zst"
        (self.folder / name).write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        return replace(self.honest, name=name, bytes=len(content), sha256=digest, **said)

    def plain(self) -> bytes:
        return zstandard.ZstdDecompressor().decompressobj().decompress(self.stored())

    def repack(self, plain: bytes) -> Backup:
        return self.seal(zstandard.ZstdCompressor().compress(plain))

    def made_after(self, *statements: str) -> Backup:
        """A dump of the changed database under the honest sidecar's words; the change is undone."""
        before, after = statements[: len(statements) // 2], statements[len(statements) // 2 :]
        for statement in before:
            self.admin.execute(statement.encode())
        # The honest sidecar was written before the row about it.
        self.admin.execute("DELETE FROM backups_backuprow")
        try:
            made = back_up("changed.psql.bin.zst")
            content = (self.folder / made.name).read_bytes()
        finally:
            for statement in after:
                self.admin.execute(statement.encode())
        (self.folder / made.name).unlink()
        (self.folder / f"{made.name}.sidecar.metadata").unlink()
        return self.seal(content)


def back_up(name: str) -> Backup:
    call_command("dbbackup", "--quiet", "--output-filename", name)
    made = find(name)
    assert made is not None
    return made


def _damaged(workshop: Workshop, content: bytes) -> Backup:
    (workshop.folder / "spoilt.psql.bin.zst").write_bytes(content)
    return replace(workshop.honest, name="spoilt.psql.bin.zst")


def flipped_bit(workshop: Workshop) -> Backup:
    content = bytearray(workshop.stored())
    content[len(content) // 2] ^= 1
    return _damaged(workshop, bytes(content))


def truncated(workshop: Workshop) -> Backup:
    return _damaged(workshop, workshop.stored()[:-100])


def truncated_and_sealed(workshop: Workshop) -> Backup:
    return workshop.repack(workshop.plain()[:-2000])


def changed_value(workshop: Workshop) -> Backup:
    plain = workshop.plain()
    assert MARK + b" 1500" in plain
    return workshop.repack(plain.replace(MARK + b" 1500", MARK + b" 1501", 1))


def missing_row(workshop: Workshop) -> Backup:
    stated = workshop.honest.tables["public.kept"]
    more = {"public.kept": replace(stated, rows=stated.rows + 1)}
    return workshop.seal(workshop.stored(), tables=workshop.honest.tables | more)


def missing_table(workshop: Workshop) -> Backup:
    return workshop.made_after(
        "ALTER TABLE kept RENAME TO other", "ALTER TABLE other RENAME TO kept"
    )


def missing_index(workshop: Workshop) -> Backup:
    return workshop.made_after("DROP INDEX kept_word", "CREATE INDEX kept_word ON kept (word)")


def moved_sequence(workshop: Workshop) -> Backup:
    wrong = {"public.kept_id_seq": SequencePosition(5000, 5000)}
    return workshop.seal(workshop.stored(), sequences=workshop.honest.sequences | wrong)


def newer_archive(workshop: Workshop) -> Backup:
    plain = bytearray(workshop.plain())
    assert plain[:5] == b"PGDMP"
    plain[6] = 99
    return workshop.repack(bytes(plain))


def wrong_key(workshop: Workshop) -> Backup:
    return workshop.seal(pyrage.encrypt(workshop.stored(), [THEIRS.to_public()]), encryption="age")


def sealed_by_gpg(workshop: Workshop) -> Backup:
    return workshop.seal(workshop.stored(), encryption="gpg")


def other_migrations(workshop: Workshop) -> Backup:
    return workshop.seal(workshop.stored(), migrations={"risks": ["0001_initial"]})


def partial(workshop: Workshop) -> Backup:
    return workshop.seal(workshop.stored(), partial=True)


def another_major(workshop: Workshop) -> Backup:
    return workshop.seal(workshop.stored(), server_version="16.4")


def newer_server(workshop: Workshop) -> Backup:
    return workshop.seal(workshop.stored(), server_version="99.1")


def missing_extension(workshop: Workshop) -> Backup:
    return workshop.seal(workshop.stored(), extensions={"geology": "3.5"})


def missing_locale(workshop: Workshop) -> Backup:
    strange = {"provider": "libc", "collate": "tlh_KX.UTF-8", "ctype": "tlh_KX.UTF-8", "name": ""}
    return workshop.seal(workshop.stored(), locale=workshop.honest.locale | strange)


Spoiler = Callable[[Workshop], Backup]
NO, UNKNOWN = Proof.NOT_PROVEN, Proof.UNKNOWN
SPOILT: list[tuple[str, Spoiler, Proof, str]] = [
    ("a flipped bit", flipped_bit, NO, "The file's checksum is not the sidecar's"),
    ("a truncated file", truncated, NO, "bytes; the sidecar says"),
    ("a truncated dump, checksum recomputed", truncated_and_sealed, NO, "The dump ends too early"),
    ("one changed value, checksum recomputed", changed_value, NO, "A value in public.kept is not"),
    ("a missing row", missing_row, NO, "public.kept has 1000 rows; the sidecar says 1001."),
    ("a missing table", missing_table, NO, "The table public.kept was not restored."),
    ("a missing index", missing_index, NO, "The schema is not what it was"),
    ("a sequence elsewhere", moved_sequence, NO, "The sequence public.kept_id_seq would give 1001"),
    ("a dump of a newer pg_dump", newer_archive, NO, "The dump was written by a newer pg_dump"),
    ("a wrong key", wrong_key, NO, "is not encrypted to the key of BACKUP_AGE_IDENTITY"),
    ("dbbackup's own GPG", sealed_by_gpg, UNKNOWN, "was encrypted by dbbackup's own -e"),
    ("other migrations", other_migrations, NO, "The applied migrations are not those"),
    ("a backup of some tables only", partial, NO, "lacks tables or schemas by intention"),
    ("another major version", another_major, UNKNOWN, "The backup is of PostgreSQL 16 and"),
    ("a newer server", newer_server, UNKNOWN, "The backup is of PostgreSQL 99 and"),
    ("a missing extension", missing_extension, UNKNOWN, "needs the extension geology"),
    ("a missing locale", missing_locale, UNKNOWN, "The server lacks the backup's locale"),
]


def said_of(backup: Backup) -> tuple[Proof, str]:
    """The verdict on a backup, and its sentence."""
    try:
        with override_settings(BACKUP_AGE_IDENTITY=str(OURS)):
            prove(backup, {})
    except CannotTell as error:
        return Proof.UNKNOWN, str(error)
    except (NotProven, ToolError, KeyProblem) as error:
        return Proof.NOT_PROVEN, str(error)
    return Proof.PROVEN, ""


@contextmanager
def workshop(folder: Path, admin: psycopg.Connection, owner: str) -> Iterator[Workshop]:
    for statement in TABLES:
        admin.execute(statement.encode())
    admin.execute(f"ALTER TABLE kept OWNER TO {owner}".encode())
    try:
        yield Workshop(folder, admin, back_up("honest.psql.bin.zst"))
    finally:
        admin.execute("DROP TABLE kept")
