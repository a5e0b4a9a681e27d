"""`manage.py drift` finds what was broken by hand, and nothing where nothing was."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from django.test import override_settings

from apps.schema.drift import Report, compare, reading
from apps.schema.expected import tables
from apps.schema.statements import read_index
from config.settings import INSTALLED_APPS
from tests.schema.breakages import BREAKAGES
from tests.schema.world import CLEAN, World

WORDS = ("ALTER ", "CREATE ", "DROP ", "COMMENT ", "REINDEX ")


def drift(world: World, database: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the JSON report of the command."""
    answer = world.run(database, "drift", "--format", "json")
    assert answer.stdout, answer.stderr
    return answer.returncode, json.loads(answer.stdout)


@pytest.fixture(scope="module")
def in_gallery(django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """This process with the gallery's models, free to connect."""
    swapped = override_settings(GALLERY_SWAPPED_MODEL="gallery.Person")
    installed = override_settings(INSTALLED_APPS=[*INSTALLED_APPS, "tests.schema.gallery"])
    # Models read the setting when they are made.
    with django_db_blocker.unblock(), swapped, installed:
        yield


def compared(world: World, database: str) -> Report:
    with reading(world.entry("auditor", database)) as connection, connection.cursor() as cursor:
        return compare(connection, cursor, app_role="g_app")


def test_a_fresh_migrate_of_every_kind_of_table_has_no_drift(gallery: World) -> None:
    assert drift(gallery, CLEAN) == (0, {"findings": [], "unseen": []})


def test_neither_has_one_on_the_systems_postgresql(system_gallery: World) -> None:
    assert drift(system_gallery, CLEAN) == (0, {"findings": [], "unseen": []})


def test_an_index_taken_from_its_parts_is_what_its_text_says(
    gallery: World, in_gallery: None
) -> None:
    with reading(gallery.entry("auditor", CLEAN)) as connection:
        indexes = [index for table in tables(connection, "default") for index in table.indexes]
    read = [(index.definition, read_index(index.statement)) for index in indexes]
    assert [pair for pair in read if pair[0] != pair[1]] == []
    plain = [index for index in indexes if "WHERE" not in index.statement]
    assert {index.definition.method for index in plain if index.definition} >= {"btree", "gin"}
    assert len(plain) > 20


class NotMended(Exception):
    """The remedy is no statement that could be run here."""


class Spare:
    """A copy of the clean database, made anew only when the one before was left broken."""

    def __init__(self, world: World) -> None:
        self.world, self.stack, self.database = world, ExitStack(), ""

    @contextmanager
    def taken(self) -> Iterator[str]:
        """The copy; given up when the block fails, or raises NotMended."""
        if not self.database:
            self.database = self.stack.enter_context(self.world.copy())
        try:
            yield self.database
        except BaseException as error:
            self.discard()
            if not isinstance(error, NotMended):
                raise

    def discard(self) -> None:
        self.stack.close()
        self.database = ""


@pytest.fixture(scope="module")
def spare(gallery: World) -> Iterator[Spare]:
    made = Spare(gallery)
    yield made
    made.discard()


# What stands where everything that hangs on it is told too.
MORE = {"a migration that is not recorded", "a migration recorded before another"}


@pytest.mark.parametrize("name", BREAKAGES)
def test_what_was_broken_by_hand_is_found_and_its_remedy_mends_it(
    name: str, gallery: World, spare: Spare, in_gallery: None
) -> None:
    statements, kind, subject = BREAKAGES[name]
    with spare.taken() as database:
        gallery.sql(database, statements)
        report = compared(gallery, database)
        found = [(drift.kind, drift.subject) for drift in report.findings]
        assert (kind, subject) in found
        assert len(found) == 1 or name in MORE, found
        assert report.exit_code == 1
        remedy = report.findings[0].remedy
        if not remedy.startswith(WORDS):
            raise NotMended
        gallery.sql(database, remedy)
        assert compared(gallery, database).findings == []


def test_what_an_exclusive_lock_hides_is_unseen_and_not_waited_for(
    gallery: World, in_gallery: None
) -> None:
    with gallery.copy() as database, gallery.connect(database) as holder, holder.transaction():
        holder.execute("LOCK TABLE library_books IN ACCESS EXCLUSIVE MODE")
        report = compared(gallery, database)
    assert report.findings == []
    assert report.exit_code == 2
    (line,) = report.unseen
    assert line.startswith("public.library_books: another session holds it exclusively")


def test_records_that_may_not_be_read_are_unseen(gallery: World, in_gallery: None) -> None:
    with gallery.copy() as database:
        gallery.sql(database, "REVOKE SELECT ON django_migrations FROM g_auditor")
        report = compared(gallery, database)
        assert drift(gallery, database)[0] == 2
    assert (report.findings, report.exit_code) == ([], 2)
    assert report.unseen == ["django_migrations: permission denied for table django_migrations"]


def test_a_function_that_may_not_be_planned_is_unseen(gallery: World, in_gallery: None) -> None:
    with gallery.copy() as database:
        gallery.sql(
            database,
            "CREATE FUNCTION secret(text) RETURNS bool IMMUTABLE LANGUAGE sql AS 'SELECT true'",
            "REVOKE ALL ON FUNCTION secret(text) FROM PUBLIC",
            "ALTER TABLE library_books DROP CONSTRAINT book_state",
            "ALTER TABLE library_books ADD CONSTRAINT book_state CHECK (secret(state))",
        )
        report = compared(gallery, database)
    assert report.exit_code == 2
    assert report.unseen == ["public.library_books: permission denied for function secret"]


def test_tables_are_looked_for_where_the_service_looks(gallery: World, in_gallery: None) -> None:
    move = (
        "DO $$ DECLARE t text; BEGIN CREATE SCHEMA service;"
        " FOR t IN SELECT relname FROM pg_class WHERE relkind = 'r'"
        " AND relnamespace = 'public'::regnamespace LOOP"
        " EXECUTE format('ALTER TABLE public.%I SET SCHEMA service', t); END LOOP; END $$"
    )
    with gallery.copy() as database:
        gallery.sql(
            database,
            move,
            "GRANT USAGE ON SCHEMA service TO g_auditor",
            f"ALTER ROLE g_app IN DATABASE {database} SET search_path = service, public",
        )
        report = compared(gallery, database)
        assert (report.findings, report.unseen) == ([], [])
        gallery.sql(database, "ALTER TABLE service.gallery_person DROP COLUMN iban")
        (found,) = compared(gallery, database).findings
    assert found.subject == "service.gallery_person.iban"


def test_the_command_prints_a_line_and_a_remedy_for_each_difference(gallery: World) -> None:
    with gallery.copy() as database:
        gallery.sql(database, "DROP INDEX book_hash")
        answer = gallery.run(database, "drift")
    assert answer.returncode == 1
    assert "missing index  public.library_books.book_hash: expected USING hash" in answer.stdout
    assert '→ CREATE INDEX "book_hash" ON "library_books" USING hash ("isbn");' in answer.stdout
    assert "1 differences, 0 unseen." in answer.stderr
    assert gallery.run(CLEAN, "drift", "--database", "nothing").returncode == 2
