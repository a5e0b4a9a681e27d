"""The page of the migrations, as the recorded runs and rehearsals tell it."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client, override_settings
from django.utils import timezone

from apps.accounts.models import User
from apps.database.connection import acting_as
from apps.schema.models import MigrationOutcome, MigrationRun, Rehearsal
from apps.web.history import BAR_LENGTH, DRAWN, Step, steps_of
from tests.web.webdriver import browser

pytestmark = pytest.mark.django_db(transaction=True)
LONG = "shop.0042_a_name_that_somebody_was_very_thorough_about"
HOSTILE = "<script>alert(1)</script>"


def run(minutes: int, plan: list[str], **more: Any) -> MigrationRun:
    at = timezone.now() - timedelta(minutes=minutes)
    return MigrationRun.objects.create(
        started_at=at, role="holdfast_owner", plan=plan, backwards=False, **more
    )


def end(begun: MigrationRun, result: str, durations: dict[str, float], **more: str) -> None:
    at = begun.started_at + timedelta(seconds=sum(durations.values()) + 0.5)
    MigrationOutcome.objects.create(
        run=begun, ended_at=at, result=result, durations=durations, **more
    )


def migration(number: int, verdict: str, seconds: float, **details: str) -> dict[str, Any]:
    return {
        "app": "shop", "name": f"{number:04}_step", "verdict": verdict,
        "hazards": list(details), "details": details, "duration_seconds": seconds,
        "duration_seconds_scaled": None,
    }  # fmt: skip


def make() -> None:
    """Four runs, the newest under way, and two rehearsals; as the owner."""
    first = [f"shop.{number:04}_step" for number in range(1, 31)]
    with acting_as("owner"):
        end(run(600, first), "done", {name: 0.01 * n for n, name in enumerate(first, start=1)})
        failed = run(60, [LONG, "shop.0043_odd", "shop.0044_never"], backup="before.psql.bin.zst")
        end(failed, "failed", {LONG: 1.25}, error=f"ValueError: the row {HOSTILE} is odd",
            state="shop.0043_odd was rolled back as a whole.")  # fmt: skip
        killed = run(30, ["shop.0043_odd"], no_backup_reason="a drill", destructive=["drops all"])
        end(killed, "killed", {}, state="The run was killed.")
        run(1, ["shop.0043_odd"])
        for minutes, safe in ((90, False), (20, True)):
            found = [migration(43, "safe", 0.2), migration(44, "caution", 4.0)]
            if not safe:
                found[0] = migration(43, "unsafe", 0.2, rewrites_table="public.shop_author")
            at = timezone.now() - timedelta(minutes=minutes)
            Rehearsal.objects.create(
                started_at=at, source="backup", backup="before.psql.bin.zst", copied_at=at,
                plan=["shop.0043_step", "shop.0044_step"], safe=safe, duration_seconds=3.5,
                report={"migrations": found, "not_reached": [] if safe else ["shop.0045_step"]},
            )  # fmt: skip


@pytest.fixture
def empty() -> None:
    with acting_as("owner"):
        MigrationOutcome.objects.all().delete()
        MigrationRun.objects.all().delete()
        Rehearsal.objects.all().delete()


@pytest.fixture
def recorded(empty: None) -> None:
    make()


def page(client: Client) -> str:
    answer = client.get("/migrations/")
    assert answer.status_code == 200
    return answer.content.decode()


def test_without_a_run_it_says_what_to_type(client: Client, empty: None) -> None:
    body = page(client)
    assert "No run of migrate is written down" in body
    assert "manage.py migrate" in body
    assert "manage.py rehearse_migrations" in body
    assert "<rect" not in body


def test_runs_stand_newest_first_with_their_end_error_and_backup(
    client: Client, recorded: None
) -> None:
    body = page(client)
    ends = ["under way, or killed", ">killed<", ">failed<", ">done<"]
    places = [body.index(end, body.index('id="runs"')) for end in ends]
    assert places == sorted(places)
    assert "<dd>before.psql.bin.zst</dd>" in body
    assert "none, because: a drill" in body
    assert "drops all" in body
    assert "shop.0043_odd was rolled back as a whole." in body
    assert "1.250 s in migrations, 1.8 s in all" in body
    # When a killed run ended is not known.
    assert body.count(" s in all") == 2
    assert "ValueError: the row &lt;script&gt;" in body
    assert HOSTILE not in body
    assert "style=" not in body


def test_rehearsals_stand_newest_first_with_verdicts_and_hazards(
    client: Client, recorded: None
) -> None:
    body = page(client)
    part = body[body.index('id="rehearsals"') :]
    assert "2 rehearsals" in part
    assert part.index(">safe</span>") < part.index(">unsafe</span>")
    assert "rewrites_table: public.shop_author" in part
    assert ">not reached</span>" in part
    assert "backup before.psql.bin.zst" in part


def test_the_chart_has_a_bar_for_each_migration_that_was_done(
    client: Client, recorded: None
) -> None:
    body = page(client)
    runs = body[: body.index('id="rehearsals"')]
    # The slowest of thirty, all thirty behind a word, and the one of the failed run.
    assert runs.count("<rect") == DRAWN + 30 + 1
    assert "All 30 migrations" in runs
    assert runs.count("not done") == 2 + 1 + 1


def test_a_bar_is_as_long_as_its_migration_took() -> None:
    steps = steps_of([Step("a", 2.0), Step("b", 0.5), Step("c", 0.0001), Step("d", None)])
    assert [step.length for step in steps.every] == [BAR_LENGTH, BAR_LENGTH // 4, 1, 0]
    assert steps.are_all_drawn
    assert steps.seconds == pytest.approx(2.5001)
    assert steps_of([Step("only", 0.0)]).every[0].length == 1


def test_of_a_long_plan_the_slowest_and_what_has_remarks_are_drawn_in_their_order() -> None:
    found = [Step(f"m{n}", float(n)) for n in range(20)]
    found[0] = Step("m0", 0.0, remarks=("irreversible: no way back",))
    drawn = [step.name for step in steps_of(found).drawn]
    assert drawn == ["m0", *(f"m{n}" for n in range(20 - DRAWN + 1, 20))]


def test_in_production_reading_it_needs_a_login(client: Client, recorded: None) -> None:
    with override_settings(READING_NEEDS_LOGIN=True):
        answer = client.get("/migrations/")
        assert answer.status_code == 302
        assert answer.headers["Location"].startswith("/admin/login/?next=/migrations/")
        client.force_login(User.objects.create_user("reader"))
        answer = client.get("/migrations/")
    assert answer.status_code == 200
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert client.post("/migrations/").status_code == 405


def test_it_asks_a_bounded_number_of_questions(
    client: Client, recorded: None, django_assert_max_num_queries: Any
) -> None:
    with django_assert_max_num_queries(6):
        page(client)


@pytest.mark.parametrize("width", [1280, 390])
def test_it_fits_the_screen_and_breaks_no_rule(
    width: int, recorded: None, live_server: Any
) -> None:
    with browser(width) as visitor:
        visitor.open(f"{live_server.url}/migrations/")
        page, screen = visitor.run(
            "return [document.documentElement.scrollWidth, window.innerWidth]"
        )
        assert page <= screen
        assert visitor.run("return document.querySelectorAll('h1').length") == 1
        current = visitor.run("return document.querySelector('[aria-current=page]').textContent")
        assert current == "Migrations"
        longest, shorter = visitor.run(
            "const bars = document.querySelectorAll('article:nth-of-type(4) > .steps rect');"
            "const wide = [...bars].map(bar => bar.getBoundingClientRect().width);"
            "return [wide.at(-1), wide.at(0)]"
        )
        assert 0 < shorter < longest
        assert visitor.console_errors() == []
