"""Proves a backup by restoring it into a scratch database and comparing what comes out."""

import time
from contextlib import closing
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.migrations.exceptions import InconsistentMigrationHistory
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from apps.backups.catalogue import Backup, Proof, Verification, write_verification
from apps.backups.comparing import NotProven, compare_contents
from apps.backups.contents import Contents, read_contents
from apps.backups.databases import CannotTell, scratch_database
from apps.backups.encryption import KeyProblem
from apps.backups.opening import require_no_gpg
from apps.backups.records import record_verification
from apps.backups.restoring import check_file, restore_into
from apps.backups.tools import ToolError
from apps.database.connection import acting_on, open_wrapper
from config.database import DatabaseEntry


def verify(backup: Backup) -> Verification:
    """Check the file, restore it into a scratch database, compare, and write the result down."""
    evidence: dict[str, Any] = {}
    verdict, reason = Proof.PROVEN, None
    try:
        prove(backup, evidence)
    except (NotProven, ToolError, KeyProblem) as error:
        verdict, reason = Proof.NOT_PROVEN, str(error)
    except CannotTell as error:
        verdict, reason = Proof.UNKNOWN, str(error)
    verification = Verification(
        name=backup.name,
        verified_at=timezone.now(),
        verdict=verdict,
        reason=reason,
        restore_seconds=evidence.get("restore_seconds", 0.0),
        evidence=evidence,
    )
    write_verification(verification)
    record_verification(verification)
    return verification


def prove(backup: Backup, evidence: dict[str, Any]) -> None:
    """Raise NotProven, ToolError, KeyProblem or CannotTell; what was seen goes into `evidence`."""
    if backup.partial:
        raise NotProven("The backup lacks tables or schemas by intention, so it restores no whole.")
    started = time.monotonic()
    check_file(backup)
    evidence |= {
        "bytes": backup.bytes,
        "sha256": backup.sha256,
        "checksum_seconds": _since(started),
    }
    try:
        require_no_gpg(backup)
    except KeyProblem as error:
        raise CannotTell(str(error)) from None
    with scratch_database(backup) as entry:
        started = time.monotonic()
        restore_into(backup, entry)
        evidence["restore_seconds"] = _since(started)
        started = time.monotonic()
        compare_restored(backup, entry, evidence)
        evidence["compare_seconds"] = _since(started)


def compare_restored(backup: Backup, entry: DatabaseEntry, evidence: dict[str, Any]) -> None:
    """Compare a restored database with the sidecar. Raises NotProven."""
    restored = _contents(entry, backup.fingerprint_method)
    evidence |= {
        "server": restored.server_version,
        "tables": len(restored.tables),
        "rows": sum(content.rows for content in restored.tables.values()),
        "sequences": len(restored.sequences),
        "schema_digest": restored.schema_digest,
        "fingerprints": backup.fingerprints,
        "fingerprint_method": backup.fingerprint_method,
    }
    compare_contents(backup, restored)
    evidence["migrations_to_apply"] = migrations_to_apply(entry) if backup.migrations else []


def migrations_to_apply(entry: DatabaseEntry) -> list[str]:
    """What `migrate --check` would complain of. Raises NotProven for a history without sense.

    A backup of before a deployment rightly has some to apply.
    """
    with acting_on(entry):
        connection = connections[DEFAULT_DB_ALIAS]
        try:
            executor = MigrationExecutor(connection)
            executor.loader.check_consistent_history(connection)
            plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
        except InconsistentMigrationHistory as error:
            raise NotProven(f"Django cannot work with the restored database: {error}") from None
    return [str(migration) for migration, _ in plan]


def _contents(entry: DatabaseEntry, fingerprint_method: int | None) -> Contents:
    with closing(open_wrapper(entry)) as connection, connection.cursor() as cursor:
        cursor.execute("BEGIN READ ONLY")
        return read_contents(cursor, fingerprint_method=fingerprint_method)


def _since(started: float) -> float:
    return round(time.monotonic() - started, 3)
