"""What a role may not see is unknown, with what would help: never a pass."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import pytest
from psycopg.sql import SQL, Identifier, Literal

from apps.controls.assess import own_target
from apps.controls.control import State, Verdict
from apps.controls.discovery import all_controls, select
from apps.controls.judge import judge
from apps.database.connection import open_wrapper
from apps.database.server import Cluster
from config.database import DatabaseEntry
from tests import environment

pytestmark = pytest.mark.django_db

BLIND, PLAIN = "test_blind", "plain-password-of-nobody"


@pytest.fixture
def blind(cluster: Cluster) -> Iterator[DatabaseEntry]:
    """The address of a role that may connect, and nothing else."""
    role, database = Identifier(BLIND), Identifier(environment.DATABASE)
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute(SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, Literal(PLAIN)))
        admin.execute(SQL("GRANT CONNECT ON DATABASE {} TO {}").format(database, role))
        yield DatabaseEntry(own_target().entries["auditor"], USER=BLIND, PASSWORD=PLAIN)
        admin.execute(SQL("DROP OWNED BY {}").format(role))
        admin.execute(SQL("DROP ROLE {}").format(role))


def verdict_of(control_id: str, auditor: DatabaseEntry | None = None) -> Verdict:
    """The control's verdict with the auditor's sight, or with another's, and without app's."""
    target = own_target()
    if auditor is not None:
        target = replace(target, entries={**target.entries, "auditor": auditor}, own=False)
    (control,) = select(all_controls(), [control_id])
    with closing(open_wrapper(target.entries["auditor"])) as connection:
        return next(judge([control], target, connection, active=False))


@pytest.mark.parametrize(
    ("control", "helps"),
    [
        ("OPS-003.5", "GRANT pg_monitor"),
        ("SEC-001.6", "GRANT SELECT (rolname, rolcanlogin, rolpassword) ON pg_catalog.pg_authid"),
        ("SEC-001.8", 'GRANT SELECT ("password") ON "public"."accounts_user" TO "test_blind"'),
        ("SEC-001.9", "GRANT pg_monitor"),
        ("SEC-001.10", "GRANT pg_monitor"),
        ("DATA-005.5", "GRANT pg_monitor"),
    ],
)
def test_nobody_sees_nothing_and_hears_what_would_help(
    blind: DatabaseEntry, control: str, helps: str
) -> None:
    verdict = verdict_of(control, blind)
    assert verdict.state is State.UNKNOWN, verdict
    assert helps in (verdict.reason or "")


def test_a_mapping_whose_options_are_hidden_is_unknown_to_the_auditor(cluster: Cluster) -> None:
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("CREATE FOREIGN DATA WRAPPER hidden")
        admin.execute("CREATE SERVER hidden FOREIGN DATA WRAPPER hidden")
        admin.execute("CREATE USER MAPPING FOR test_owner SERVER hidden OPTIONS (password 'plain')")
        try:
            verdict = verdict_of("SEC-001.7")
        finally:
            admin.execute("DROP FOREIGN DATA WRAPPER hidden CASCADE")
    assert verdict.state is State.UNKNOWN
    assert "GRANT SELECT ON pg_catalog.pg_user_mapping" in (verdict.reason or "")
    assert verdict.evidence["hidden_mappings"] == ["test_owner on hidden"]


def test_the_auditor_hears_what_would_let_it_see_stored_passwords() -> None:
    verdict = verdict_of("SEC-001.6")
    assert verdict.state is State.UNKNOWN
    assert '"test_auditor"' in (verdict.reason or "")


def test_rows_that_row_security_hides_are_not_taken_for_clean(cluster: Cluster) -> None:
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("CREATE TABLE public.hidden_rows (token text)")
        try:
            admin.execute("INSERT INTO public.hidden_rows VALUES ('plain')")
            admin.execute("GRANT SELECT ON public.hidden_rows TO test_app, test_auditor")
            admin.execute("ALTER TABLE public.hidden_rows ENABLE ROW LEVEL SECURITY")
            hidden = verdict_of("SEC-001.8")
            admin.execute("ALTER TABLE public.hidden_rows DISABLE ROW LEVEL SECURITY")
            seen = verdict_of("SEC-001.8")
        finally:
            admin.execute("DROP TABLE public.hidden_rows")
    assert hidden.state is State.UNKNOWN
    assert hidden.evidence["unseen"] == ["public.hidden_rows.token"]
    assert seen.state is State.FAIL
    assert "plain" not in str(seen)


def test_evidence_never_holds_a_value(cluster: Cluster) -> None:
    with cluster.connect(environment.DATABASE) as admin:
        admin.execute("ALTER ROLE test_owner SET service.jwt_secret = 'plain-canary'")
        try:
            verdict = verdict_of("SEC-001.9")
        finally:
            admin.execute("ALTER ROLE test_owner RESET service.jwt_secret")
    assert verdict.state is State.FAIL
    assert "plain-canary" not in str(verdict)


def test_the_first_assessment_has_no_baseline_and_records_one() -> None:
    verdict = verdict_of("SEC-005.9")
    assert verdict.state is State.UNKNOWN
    assert "no earlier assessment" in (verdict.reason or "")
    assert {"test_app", "test_auditor", "test_owner"} <= set(verdict.evidence["known"]["roles"])
