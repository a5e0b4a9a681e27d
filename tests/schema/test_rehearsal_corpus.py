"""The corpus: every hazard is found by its name, and nothing harmless is accused."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import override_settings

from apps.database.server import Cluster
from apps.schema.rehearsal.copy import Source
from apps.schema.rehearsal.live import read_live
from apps.schema.rehearsal.rehearse import Rehearsal, rehearse
from apps.schema.rehearsal.report import migration_as_dictionary
from config.env import BASE_DIR
from tests.schema.corpus.expected import EXPECTED, Expected
from tests.schema.shop import APP, live_shop

ROWS = 12_000


@pytest.fixture(scope="module")
def rehearsal(cluster: Cluster, django_db_blocker: pytest.FixtureRequest) -> Iterator[Rehearsal]:
    """The whole corpus, rehearsed once on a copy of a filled database."""
    with (
        django_db_blocker.unblock(),
        override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, APP]),
        live_shop(cluster, ROWS, books=ROWS) as entry,
    ):
        live = read_live(entry)
        made = rehearse(entry, live, Source("live"), [("shop", None)])
        assert read_live(entry).applied == live.applied
        yield made


def test_the_corpus_holds_what_it_promises() -> None:
    folder = BASE_DIR / "tests" / "schema" / "corpus" / "shop" / "migrations"
    files = {path.stem for path in folder.glob("0*.py")} - {"0001_initial"}
    assert set(EXPECTED) == files
    assert len(EXPECTED) >= 30
    assert sum(not expected.hazards for expected in EXPECTED.values()) >= 8


def test_every_migration_was_rehearsed(rehearsal: Rehearsal) -> None:
    assert [one.name for one in rehearsal.migrations] == list(EXPECTED)
    assert rehearsal.not_reached == ()
    assert not rehearsal.safe


@pytest.mark.parametrize("name", list(EXPECTED))
def test_the_hazards_are_exactly_these(rehearsal: Rehearsal, name: str) -> None:
    found = next(one for one in rehearsal.migrations if one.name == name)
    expected = EXPECTED[name]
    way = found.facts.reverse.way if found.facts.reverse else None
    seen = Expected(str(found.verdict), {h.name for h in found.hazards}, way and str(way))
    assert seen == expected
    assert bool(found.remedy) == bool(expected.hazards - {"declared_irreversible"})


def _said(rehearsal: Rehearsal, name: str) -> dict:
    return next(
        migration_as_dictionary(one) for one in rehearsal.migrations if one.name.endswith(name)
    )


def test_a_blocking_index_names_the_lock_with_rows_and_bytes(rehearsal: Rehearsal) -> None:
    said = _said(rehearsal, "_index_blocks_writes")
    (lock,) = said["locks"]
    assert lock["table"] == "public.shop_author"
    assert lock["mode"] == "ShareLock"
    assert lock["rows"] == ROWS
    assert lock["bytes"] > 1_000_000
    assert 0 < lock["seconds"] <= said["duration_seconds"]
    assert "AddIndexConcurrently" in said["remedy"]
    assert "shop_author_country" in said["remedy"]


def test_a_rewrite_is_seen_by_its_file_node(rehearsal: Rehearsal) -> None:
    assert _said(rehearsal, "_wider_integer")["rewrites"] == ["public.shop_author"]
    assert _said(rehearsal, "_widen_text")["rewrites"] == []


def test_lost_rows_and_values_are_counted(rehearsal: Rehearsal) -> None:
    assert _said(rehearsal, "_delete_rows")["rows_lost"] == {"public.shop_visit": 100}
    assert _said(rehearsal, "_empty_table")["rows_lost"] == {"public.shop_visit": 400}
    assert _said(rehearsal, "_delete_filled_model")["rows_lost"] == {"public.shop_draft": 100}
    filled = _said(rehearsal, "_remove_filled_field")
    assert filled["values_lost"] == {"public.shop_author.nickname": ROWS}
    assert _said(rehearsal, "_overwrite_values")["rows_changed"] == {"public.shop_author": 500}
    assert _said(rehearsal, "_insert_rows")["rows_added"] == {"public.shop_genre": 1}


def test_checksums_differ_where_values_do(rehearsal: Rehearsal) -> None:
    sums = _said(rehearsal, "_overwrite_values")["checksums"]["public.shop_author"]
    assert sums["before"] != sums["after"]


def test_what_old_code_meets_is_the_databases_own_error(rehearsal: Rehearsal) -> None:
    broken = {
        (f["model"], f["operation"]): f["error"]
        for f in _said(rehearsal, "_rename_field")["old_code"]
    }
    assert broken["Author", "select"] == "column shop_author.motto does not exist"
    assert set(broken) == {("Author", "select"), ("Author", "insert")}
    (missing,) = _said(rehearsal, "_required_field")["old_code"]
    assert missing["operation"] == "insert"
    assert "violates not-null constraint" in missing["error"]
    (cut,) = {f["error"] for f in _said(rehearsal, "_shrink_text")["old_code"]}
    assert "value too long" in cut


def test_a_crash_in_the_middle_leaves_nothing_of_an_atomic_migration(rehearsal: Rehearsal) -> None:
    for one in rehearsal.migrations[:-1]:
        crash = one.facts.crash
        assert crash is not None
        assert crash.killed, one.name
        if "half" not in one.name and "concurrently" not in one.name:
            assert crash.left == (), one.name


def test_an_index_left_invalid_by_a_crash_is_told_and_no_hazard(rehearsal: Rehearsal) -> None:
    crash = _said(rehearsal, "_add_index_concurrently")["crash"]
    (left,) = crash["left"]
    assert left.endswith("(email) invalid")
    assert "already exists" in crash["rerun_error"]


def test_a_migration_that_stops_half_way_is_told_with_what_it_leaves(rehearsal: Rehearsal) -> None:
    crash = _said(rehearsal, "_half_done")["crash"]
    assert "shop_extra" in crash["left"][0]
    assert crash["rerun_error"] == 'relation "shop_extra" already exists'
