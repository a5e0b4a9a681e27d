"""Every spoilt backup is caught by a sentence of its own, and no scratch database stays."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.test import override_settings

from apps.backups.catalogue import Proof, verifications
from apps.backups.databases import SCRATCH
from apps.database.connection import role_entry
from apps.database.server import Cluster
from tests import environment
from tests.backups import places
from tests.backups.spoilt import SPOILT, Workshop, back_up, said_of, workshop

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> Iterator[Workshop]:
    """A workshop whose scratch databases are made by an administrator of the same server."""
    administrator = role_entry("owner") | {
        "USER": "postgres", "PASSWORD": cluster.superuser_password(), "NAME": "postgres",
    }  # fmt: skip
    with (
        places.stored_in(monkeypatch, places.FILE, places.folder_options(tmp_path)),
        override_settings(DATABASE_ROLES={**settings.DATABASE_ROLES, "admin": administrator}),
        cluster.connect(environment.DATABASE) as admin,
        workshop(tmp_path, admin, "test_owner") as made,
    ):
        yield made


def scratch_databases(cluster: Cluster) -> int:
    with cluster.connect() as admin:
        row = admin.execute(
            "SELECT count(*) FROM pg_database WHERE starts_with(datname, %s)", [SCRATCH]
        ).fetchone()
    return row[0] if row else 0


def test_every_spoilt_backup_is_told_by_its_own_sentence(bench: Workshop, cluster: Cluster) -> None:
    assert said_of(bench.honest) == (Proof.PROVEN, "")
    wrong = []
    sentences = [sentence for _, _, _, sentence in SPOILT]
    for name, spoil, verdict, sentence in SPOILT:
        found, said = said_of(spoil(bench))
        others = [s for s in sentences if s != sentence and s in said]
        if found is not verdict or sentence not in said or others:
            wrong.append((name, found, said))
    assert wrong == []
    assert len(set(sentences)) == len(sentences)
    assert scratch_databases(cluster) == 0


SLOW = (
    """CREATE FUNCTION public.slow(int) RETURNS bool LANGUAGE sql STABLE
    AS 'SELECT pg_catalog.pg_sleep(CASE WHEN $1 = 1 THEN 60 ELSE 0 END) IS NOT NULL'""",
    "CREATE TABLE slow_restore (id int)",
    "INSERT INTO slow_restore VALUES (1)",
    "ALTER TABLE slow_restore ADD CHECK (public.slow(id)) NOT VALID",
    "ALTER TABLE slow_restore OWNER TO test_owner",
)


@pytest.fixture
def slow(bench: Workshop) -> Iterator[str]:
    """A backup whose restore takes longer than anybody waits."""
    for statement in SLOW:
        bench.admin.execute(statement.encode())
    # Validated on restore, row by row.
    bench.admin.execute(
        "UPDATE pg_constraint SET convalidated = true WHERE conrelid = 'slow_restore'::regclass"
    )
    yield back_up("slow.psql.bin.zst").name
    bench.admin.execute("DROP TABLE slow_restore")
    bench.admin.execute("DROP FUNCTION public.slow")


def test_a_restore_that_hangs_is_ended(slow: str, cluster: Cluster) -> None:
    with (
        override_settings(BACKUP_RESTORE_TIMEOUT=3),
        pytest.raises(CommandError, match="pg_restore did not end within 3 s"),
    ):
        call_command("verify_backup", slow)
    (attempt,) = verifications()
    assert attempt.verdict is Proof.NOT_PROVEN
    assert scratch_databases(cluster) == 0


def test_an_interrupted_verification_leaves_no_database(slow: str, cluster: Cluster) -> None:
    def end() -> None:
        while not scratch_databases(cluster):
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        call_command("verify_backup", slow)
    thread.join()
    assert scratch_databases(cluster) == 0
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
