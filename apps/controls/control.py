"""What a control is, and what it can answer: plain Python, no Django."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class State(StrEnum):
    """A verdict's answer. Unknown means that the control could not see; it is never green."""

    PASS = "pass"
    FAIL = "fail"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not_applicable"


class Level(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Scope(StrEnum):
    """What a control needs: a connection alone, or the Django project too."""

    PLATFORM = "platform"
    APPLICATION = "application"


class Kind(StrEnum):
    """A passive control only reads; an active one attempts something that must be refused."""

    PASSIVE = "passive"
    ACTIVE = "active"


@dataclass(frozen=True)
class Finding:
    """What a control found wrong, with a remedy that can be pasted."""

    level: Level
    title: str
    subject: str
    detail: str
    remedy: str
    control: str = ""


class CannotSee(Exception):
    """Raised by a control that cannot see what it judges; the verdict is *unknown*."""

    def __init__(self, reason: str, remedy: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.remedy = remedy


class NotApplicable(Exception):
    """Raised with one of the control's declared reasons; the verdict is *not applicable*."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


# An action on a scratch database, of apps.controls.scratch; named here to keep this file plain.
Action = Callable[[Any], None]


@dataclass(frozen=True)
class Specimen:
    """A planted defect, its repair and a near miss: a control's proof that it can fail and pass.

    `subject` must stand in the finding. `needs` names the server: `embedded`, `archiving` its WAL,
    `statements` that it keeps, or `tls` for one built with OpenSSL. With `peer` the verdict comes
    from `manage.py assess` in a process of its own, on a copy of the project whose files and
    environment the actions may change.
    """

    name: str
    plant: Action
    repair: Action
    near_miss: Action
    subject: str
    needs: str = "embedded"
    peer: bool = False


@dataclass(frozen=True)
class Inapplicable:
    """A state of the world in which the control must answer *not applicable*, with this reason."""

    name: str
    reason: str
    plant: Action
    needs: str = "embedded"
    peer: bool = False


class Sight(Protocol):
    """A condition of sight: returns None, or raises CannotSee with the grant that would help."""

    def __call__(self, inspection: Any) -> None: ...


@dataclass(frozen=True)
class Control:
    """One automated check with a stable id."""

    id: str
    title: str
    judge: Callable[[Any], Iterable[Finding]]
    scope: Scope
    kind: Kind
    sees: tuple[Sight, ...]
    not_applicable: Mapping[str, str]
    specimens: tuple[Specimen, ...]
    inapplicable: tuple[Inapplicable, ...]

    @property
    def risk(self) -> str:
        return self.id.rpartition(".")[0]


def control(
    control_id: str,
    title: str,
    *,
    specimens: tuple[Specimen, ...],
    scope: Scope = Scope.PLATFORM,
    kind: Kind = Kind.PASSIVE,
    sees: tuple[Sight, ...] = (),
    not_applicable: Mapping[str, str] | None = None,
    inapplicable: tuple[Inapplicable, ...] = (),
) -> Callable[[Callable[[Any], Iterable[Finding]]], Control]:
    """Make a control of a generator function that yields findings; silence is a pass."""

    def wrap(judge: Callable[[Any], Iterable[Finding]]) -> Control:
        return Control(
            id=control_id,
            title=title,
            judge=judge,
            scope=scope,
            kind=kind,
            sees=sees,
            not_applicable=not_applicable or {},
            specimens=specimens,
            inapplicable=inapplicable,
        )

    return wrap


@dataclass(frozen=True)
class Verdict:
    """A control's answer about one database, with the facts that it rests on."""

    control: str
    risk: str
    title: str
    state: State
    reason: str | None
    findings: tuple[Finding, ...]
    evidence: Mapping[str, Any] = field(default_factory=dict)
    duration_ms: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return {
            "control": self.control,
            "risk": self.risk,
            "title": self.title,
            "state": str(self.state),
            "reason": self.reason,
            "findings": [finding_as_json(finding) for finding in self.findings],
            "evidence": dict(self.evidence),
            "duration_ms": round(self.duration_ms, 1),
        }


def finding_as_json(finding: Finding) -> dict[str, str]:
    return {
        "level": str(finding.level),
        "title": finding.title,
        "subject": finding.subject,
        "detail": finding.detail,
        "remedy": finding.remedy,
    }
