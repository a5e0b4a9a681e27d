"""Proves on scratch servers that every control can fail, can pass and does not overreach."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from apps.controls.certificates import openssl_is_there
from apps.controls.control import Control, Inapplicable, Specimen, State, Verdict
from apps.controls.scratch import Scratch, scratch
from apps.database.server import Binaries, system_binaries

# Archiving is switched on at a server's start only; the command may change while it runs.
ARCHIVING = {"archive_mode": "on", "archive_command": "/bin/true"}
# So is what keeps the statements.
STATEMENTS = {"shared_preload_libraries": "pg_stat_statements"}


@dataclass(frozen=True)
class Survivor:
    """A specimen that a control judged wrongly."""

    control: str
    specimen: str
    expected: str
    got: str


@dataclass(frozen=True)
class NotRun:
    """A specimen that this machine cannot plant, and what it needs."""

    control: str
    specimen: str
    needs: str


@dataclass
class SelfTestReport:
    """How many specimens were killed, that is judged rightly in all their states."""

    controls: int = 0
    specimens: int = 0
    killed: int = 0
    failures: list[Survivor] = field(default_factory=list)
    not_run: list[NotRun] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 all killed · 1 a survivor · 2 none survived, some not run."""
        if self.failures or not self.specimens:
            return 1
        return 2 if self.not_run else 0

    def as_json(self) -> dict[str, Any]:
        return {
            "controls": self.controls,
            "specimens": self.specimens,
            "killed": self.killed,
            "failures": [vars(survivor) for survivor in self.failures],
            "not_run": [vars(item) for item in self.not_run],
        }


class Worlds:
    """The scratch worlds, each made when the first specimen asks for it."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    @cached_property
    def embedded(self) -> Scratch:
        return self._stack.enter_context(scratch())

    @cached_property
    def archiving(self) -> Scratch:
        return self._stack.enter_context(scratch(settings=ARCHIVING))

    @cached_property
    def statements(self) -> Scratch:
        return self._stack.enter_context(scratch(settings=STATEMENTS))

    @cached_property
    def tls(self) -> Scratch:
        binaries = tls_binaries()
        if binaries is None:
            raise LookupError("no server with TLS")
        return self._stack.enter_context(scratch(binaries))


def tls_binaries() -> Binaries | None:
    """A server of the operating system's packages, which Debian builds with OpenSSL, or None."""
    binaries = system_binaries()
    return binaries if binaries is not None and openssl_is_there() else None


def missing(needs: str) -> str | None:
    """What this machine lacks for specimens with these needs; None when nothing."""
    if needs == "tls" and tls_binaries() is None:
        return "a server built with OpenSSL: make tools"
    return None


def self_test(
    controls: Iterable[Control],
    progress: Callable[[Control, str], None] = lambda control, specimen: None,
) -> SelfTestReport:
    """Judge every specimen of the controls in all its states."""
    report = SelfTestReport()
    with ExitStack() as stack:
        worlds = Worlds(stack)
        for control in controls:
            report.controls += 1
            planted: tuple[Specimen | Inapplicable, ...] = control.specimens
            for specimen in planted + control.inapplicable:
                report.specimens += 1
                progress(control, specimen.name)
                lacking = missing(specimen.needs)
                if lacking:
                    report.not_run.append(NotRun(control.id, specimen.name, lacking))
                    continue
                survivors = _try(control, specimen, getattr(worlds, specimen.needs))
                report.failures += survivors
                report.killed += not survivors
    return report


def _try(control: Control, specimen: Specimen | Inapplicable, world: Scratch) -> list[Survivor]:
    """Put one specimen through its states; an action that breaks is a survivor too."""
    try:
        if isinstance(specimen, Inapplicable):
            return _try_inapplicable(control, specimen, world)
        return _try_specimen(control, specimen, world)
    except Exception as error:  # the other specimens still count
        return [
            Survivor(control.id, specimen.name, "a verdict", f"{type(error).__name__}: {error}")
        ]


def _try_specimen(control: Control, specimen: Specimen, world: Scratch) -> list[Survivor]:
    world.fresh()
    specimen.plant(world)
    planted = world.judge(control, peer=specimen.peer)
    specimen.repair(world)
    repaired = world.judge(control, peer=specimen.peer)
    world.fresh()
    specimen.near_miss(world)
    missed = world.judge(control, peer=specimen.peer)
    wrong = []
    if planted.state is not State.FAIL:
        wrong.append(("planted: fail", planted))
    elif not any(specimen.subject in finding.subject for finding in planted.findings):
        wrong.append((f"planted: a finding about {specimen.subject}", planted))
    if repaired.state is not State.PASS:
        wrong.append(("repaired: pass", repaired))
    if missed.state is not State.PASS:
        wrong.append(("near miss: pass", missed))
    return [Survivor(control.id, specimen.name, words, _said(verdict)) for words, verdict in wrong]


def _try_inapplicable(control: Control, specimen: Inapplicable, world: Scratch) -> list[Survivor]:
    world.fresh()
    specimen.plant(world)
    verdict = world.judge(control, peer=specimen.peer)
    expected = control.not_applicable[specimen.reason]
    if verdict.state is State.NOT_APPLICABLE and verdict.reason == expected:
        return []
    return [Survivor(control.id, specimen.name, "not applicable", _said(verdict))]


def _said(verdict: Verdict) -> str:
    subjects = ", ".join(finding.subject for finding in verdict.findings)
    return " ".join(filter(None, [str(verdict.state), verdict.reason, subjects]))
