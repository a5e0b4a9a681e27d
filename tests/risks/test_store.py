"""Revisions: made by a changed document, by nothing else, and never changed."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

import pytest
from django.db import IntegrityError, connection, transaction

from apps.risks.importer.read import read_profile
from apps.risks.models import (
    AcceptanceCriterion,
    Component,
    Discrepancy,
    DocumentationRequirement,
    ImmediateAction,
    Mitigation,
    MonitoringItem,
    PriorityTest,
    Profile,
    ReviewTrigger,
    Revision,
    Risk,
    TestingFocus,
)
from apps.risks.models.profile import ImportedRevisionError
from apps.risks.store import Stored, preview, store
from tests.risks.corpus import REGISTER, documents, read, read_string, supplied_path

pytestmark = pytest.mark.django_db


def test_everything_that_the_supplied_profile_holds_is_kept() -> None:
    document = read_profile(supplied_path())
    assert store(document) == Stored("1.3", 1, True)
    counts = {
        model.__name__: model.objects.count()
        for model in (
            Profile,
            Revision,
            Risk,
            Component,
            Mitigation,
            TestingFocus,
            PriorityTest,
            AcceptanceCriterion,
            MonitoringItem,
            ReviewTrigger,
            ImmediateAction,
            DocumentationRequirement,
            Discrepancy,
        )
    }
    assert counts == {
        "Profile": 1,
        "Revision": 1,
        "Risk": 23,
        "Component": 20,
        "Mitigation": 30,
        "TestingFocus": 20,
        "PriorityTest": 54,
        "AcceptanceCriterion": 4,
        "MonitoringItem": 17,
        "ReviewTrigger": 8,
        "ImmediateAction": 5,
        "DocumentationRequirement": 8,
        "Discrepancy": 12,
    }
    revision = Revision.objects.get()
    assert (revision.risks_stated, revision.story_score_stated, revision.story_score) == (22, 66, 0)
    assert (revision.gate, revision.gate_stated, revision.level) == ("CONCERNS", "", "full")
    assert revision.source_text == document.text
    risk = Risk.objects.get(code="DATA-004")
    assert (risk.score, risk.score_stated, risk.priority, risk.priority_stated) == (
        3,
        1,
        "Low",
        "Minimal",
    )
    assert risk.discrepancies.count() == 3


def test_lists_keep_the_order_of_the_document() -> None:
    store(read("details_only"))
    mitigations = Mitigation.objects.filter(risk__code="SEC-001")
    assert [(item.heading, item.text) for item in mitigations] == [
        ("Preventive", "Rotate the identifier at login"),
        ("Preventive", "Refuse identifiers from the address"),
        ("Detective", "Count identifiers that change country"),
    ]


def test_the_same_document_again_changes_nothing() -> None:
    document = read_string(REGISTER)
    store(document)
    before = list(Risk.objects.values_list("pk", flat=True))
    assert store(document) == Stored("1.1", 1, False)
    assert list(Risk.objects.values_list("pk", flat=True)) == before
    assert Revision.objects.count() == 1


def test_a_changed_document_makes_a_revision_and_leaves_the_old_one() -> None:
    first = read_string(REGISTER)
    second = replace(
        read_string(REGISTER.replace("Keys in a mail", "Keys in a log")), sha256="1" * 64
    )
    store(first)
    assert store(second) == Stored("1.1", 2, True)
    assert store(first) == Stored("1.1", 3, True)
    titles = Risk.objects.filter(code="SEC-001").order_by("revision__number")
    assert [risk.title for risk in titles] == ["Keys in a mail", "Keys in a log", "Keys in a mail"]
    assert [revision.number for revision in Revision.objects.current()] == [3]
    assert {risk.revision.number for risk in Risk.objects.current()} == {3}


def test_a_preview_answers_like_store_and_writes_nothing() -> None:
    document = read_string(REGISTER)
    assert preview(document) == Stored("1.1", 1, True)
    assert not Profile.objects.exists()
    store(document)
    assert preview(document) == Stored("1.1", 1, False)
    assert preview(replace(document, sha256="2" * 64)) == Stored("1.1", 2, True)
    assert Revision.objects.count() == 1


def test_an_imported_revision_is_never_saved_again() -> None:
    store(read_string(REGISTER))
    revision = Revision.objects.get()
    revision.reviewer = "Somebody else"
    with pytest.raises(ImportedRevisionError, match="import the corrected document"):
        revision.save()


def test_an_unstructured_document_leaves_its_text_and_one_draft() -> None:
    document = read("no_table")
    store(document)
    revision, risk = Revision.objects.get(), Risk.objects.get()
    assert (revision.level, revision.gate, revision.story_score) == ("unstructured", "", None)
    assert revision.source_text == document.text
    assert (risk.is_draft, risk.code, risk.title) == (True, "DRAFT", "Thoughts on story 12.1")


def test_both_rows_of_one_code_are_kept() -> None:
    store(read("epic_roll_up"))
    rows = Risk.objects.filter(code="TECH-001").order_by("occurrence")
    assert [(risk.occurrence, risk.origin, risk.score) for risk in rows] == [
        (1, "6.1", 6),
        (2, "6.2", 3),
    ]
    duplicate = Discrepancy.objects.get(kind="duplicate_code")
    assert duplicate.risk == rows[1]


def test_a_failure_half_way_leaves_nothing_behind() -> None:
    document = read_string(REGISTER)
    broken = replace(document, risks=(*document.risks, document.risks[0]))
    with pytest.raises(IntegrityError):
        store(broken)
    assert not Profile.objects.exists()
    assert not Revision.objects.exists()


def test_every_document_of_the_corpus_can_be_kept() -> None:
    paths = documents()
    for path in paths:
        assert store(read_profile(path)).changed
    assert Revision.objects.count() == len(paths)


def test_texts_of_any_length_are_kept_and_indexed() -> None:
    words = " ".join(f"word{number}" for number in range(200_000))
    title = "t" * 20_000
    text = f"# Risk Profile: Story {'9' * 500}\n\n| ID | Title | P | I | Score | Components |\n"
    text += f"|-|-|-|-|-|-|\n| SEC-001 | {title} | 2 | 3 | 6 | {'c' * 9_000} |\n\n"
    text += f"### SEC-001: t\n\n**Description**: {words}\n"
    store(read_string(text))
    risk = Risk.objects.get()
    assert (len(risk.title), len(risk.description)) == (20_000, len(words))
    assert [len(name) for name in risk.affected] == [500]
    assert list(Risk.objects.search("word17")) == [risk]


@pytest.mark.parametrize("column", ["probability", "impact"])
def test_the_database_refuses_a_rating_outside_the_scale(column: str) -> None:
    store(read_string(REGISTER))
    with pytest.raises(IntegrityError), transaction.atomic():
        Risk.objects.update(**{column: 4})
    Risk.objects.update(**{column: None})
    assert set(Risk.objects.values_list("score", flat=True)) == {None}


def test_the_gate_score_is_the_worse_of_stated_and_computed() -> None:
    store(read("contradictions"))
    scores = Risk.objects.with_gate_score().values_list("code", "gate_score")
    assert dict(scores) == {"SEC-001": 6, "SEC-002": 9, "OPS-001": 1, "SEC-009": 6}


def test_every_foreign_key_of_the_register_leads_an_index() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT conrelid::regclass::text
            FROM pg_catalog.pg_constraint
            WHERE contype = 'f' AND conrelid::regclass::text LIKE 'risks_%%'
              AND NOT EXISTS (
                SELECT FROM pg_catalog.pg_index
                WHERE indrelid = conrelid AND indkey[0] = conkey[1]
                  AND indisvalid AND indpred IS NULL
              )
            """
        )
        assert cursor.fetchall() == []


@pytest.mark.django_db(transaction=True)
def test_two_imports_at_once_make_one_revision() -> None:
    document = read_string(REGISTER)
    start = Barrier(4)

    def import_it(_: int) -> Stored:
        start.wait()
        try:
            return store(document)
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(import_it, range(4)))
    assert sorted(answer.changed for answer in answers) == [False, False, False, True]
    assert Revision.objects.count() == 1
