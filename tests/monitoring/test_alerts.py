"""Every alert fires on its fault, is quiet on a near miss, and leads to its part of the runbook."""

import dataclasses
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from apps.database.facts.standbys import Replication
from apps.monitoring.collector import families
from apps.monitoring.exposition import exposition
from apps.monitoring.facts import gather
from config.env import BASE_DIR
from tests.programs import require_program

FOLDER = BASE_DIR / "ops" / "prometheus"
RULES = FOLDER / "alerts.yml"
TESTS = sorted((FOLDER / "tests").glob("*.yml"))
# What Prometheus itself knows of a target.
PROMETHEUS_OWN = {"up"}


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def cases() -> list[dict[str, Any]]:
    return [case for path in TESTS for case in yaml.safe_load(path.read_text())["tests"]]


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = require_program("promtool", "prometheus")
    return subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, cwd=BASE_DIR, timeout=120
    )


def test_the_rules_are_well_formed() -> None:
    answer = promtool("check", "rules", RULES)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert f"{len(rules())} rules found" in answer.stdout


@pytest.mark.parametrize("path", TESTS, ids=lambda path: path.stem)
def test_the_alerts_behave_as_their_tests_say(path: Path) -> None:
    answer = promtool("test", "rules", path)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_a_rule_that_never_fires_is_noticed(tmp_path: Path) -> None:
    spoilt = RULES.read_text().replace("== 0\n        for: 2m", "== 2\n        for: 2m")
    assert spoilt != RULES.read_text()
    (tmp_path / "alerts.yml").write_text(spoilt)
    (tmp_path / "tests").mkdir()
    copy = tmp_path / "tests" / "operation.yml"
    copy.write_text((FOLDER / "tests" / "operation.yml").read_text())
    answer = promtool("test", "rules", copy)
    assert answer.returncode == 1
    assert "HoldfastNotScraped" in answer.stdout + answer.stderr


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_every_alert_has_a_fault_and_a_near_miss(rule: dict[str, Any]) -> None:
    outcomes = {
        bool(check.get("exp_alerts"))
        for case in cases()
        for check in case["alert_rule_test"]
        if check["alertname"] == rule["alert"]
    }
    assert outcomes == {True, False}


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: str(rule["alert"]))
def test_every_alert_leads_to_its_part_of_the_runbook(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in ("page", "ticket")
    document, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    headings = re.findall(r"^### (\w+)$", (BASE_DIR / document).read_text(), re.M)
    assert anchor == rule["alert"].lower()
    assert rule["alert"] in headings


def test_the_runbook_has_no_part_for_an_alert_that_is_gone() -> None:
    text = (BASE_DIR / "docs" / "troubleshooting.md").read_text().partition("## Alerts")[2]
    parts = re.split(r"^### (\w+)$", text, flags=re.M)
    assert parts[1::2] == [rule["alert"] for rule in rules()]
    for name, part in zip(parts[1::2], parts[2::2], strict=True):
        assert "`" in part, f"nothing to type for {name}"


@pytest.fixture
def metrics(healthy: None) -> set[str]:
    """The names of all metrics, also of those that need a standby."""
    followed = Replication(False, {"standby": 1.0})
    told = families(dataclasses.replace(gather(), replication=followed))
    of_facts = {f"{m.name}_total" if m.type == "counter" else m.name for m in told}
    return of_facts | set(re.findall(r"^# TYPE (\w+) ", exposition().decode(), re.M))


def test_every_metric_of_a_rule_exists(metrics: set[str]) -> None:
    known = metrics | PROMETHEUS_OWN
    for rule in rules():
        for name in re.findall(r"\b(holdfast_\w+|up)\b", rule["expr"]):
            assert known & {name, re.sub(r"_(bucket|count|sum)$", "", name)}, (rule["alert"], name)


def test_the_document_names_every_metric_and_no_other(metrics: set[str]) -> None:
    document = (BASE_DIR / "docs" / "monitoring.md").read_text()
    named = set(re.findall(r"`(holdfast_\w+)`", document))
    shortened = tuple(re.findall(r"`…(_\w+)`", document))
    assert named <= metrics
    assert [name for name in metrics - named if not name.endswith(shortened)] == []
