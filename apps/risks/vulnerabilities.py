"""Asks pip-audit which of the locked distributions have a known vulnerability."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from apps.database.redaction import redact
from config.env import BASE_DIR

LOCKED = BASE_DIR / "requirements" / "production.txt"
SECONDS = 120


class CannotAudit(Exception):
    """Nobody can say: pip-audit is not installed, or its database does not answer."""


def known_vulnerabilities(locked: Path = LOCKED) -> list[str]:
    """Such as `django 5.2.1: PYSEC-2026-1, mended in 5.2.2`, in order. Raises CannotAudit."""
    command = [
        _program(), "--requirement", str(locked), "--disable-pip", "--require-hashes",
        "--format", "json", "--progress-spinner", "off",
    ]  # fmt: skip
    try:
        answer = subprocess.run(
            command, capture_output=True, text=True, timeout=SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise CannotAudit(f"pip-audit gave no answer within {SECONDS} s.") from None
    except OSError as error:
        raise CannotAudit(f"pip-audit could not be run: {error.strerror}.") from None
    dependencies = _read(answer)
    found = sorted(_lines(dependencies))
    skipped = [item for item in dependencies if "skip_reason" in item]
    if not found and (skipped or not dependencies):
        raise CannotAudit(_nothing_seen(skipped, len(dependencies)))
    return found


def _program() -> str:
    """Beside this Python, or wherever the system finds it."""
    beside = Path(sys.executable).parent / "pip-audit"
    found = str(beside) if beside.is_file() else shutil.which("pip-audit")
    if found is None:
        raise CannotAudit(
            "pip-audit is not installed; it is a program of its own: pipx install pip-audit"
        )
    return found


def _nothing_seen(skipped: list[dict[str, Any]], number: int) -> str:
    """It ends with 0 and says that there is none, whatever it has passed over."""
    if not skipped:
        return "pip-audit has looked at nothing."
    return (
        f"pip-audit passed over {len(skipped)} of {number}, such as "
        f"{skipped[0].get('name')}: {redact(str(skipped[0]['skip_reason'])[:200])}."
    )


def _read(answer: "subprocess.CompletedProcess[str]") -> list[dict[str, Any]]:
    """It ends with 1 both when it has found something and when it could not look."""
    try:
        return [dict(item) for item in json.loads(answer.stdout)["dependencies"]]
    except (ValueError, KeyError, TypeError):
        lines = [line for line in answer.stderr.strip().splitlines() if line.strip()]
        reason = redact(lines[-1][:200]) if lines else f"it ended with {answer.returncode}"
        raise CannotAudit(f"pip-audit could not look: {reason}") from None


def _lines(dependencies: list[dict[str, Any]]) -> Iterator[str]:
    for found in dependencies:
        for vulnerability in found.get("vulns", []):
            mended = ", ".join(vulnerability.get("fix_versions", [])) or "no version yet"
            yield f"{found['name']} {found['version']}: {vulnerability['id']}, mended in {mended}"
