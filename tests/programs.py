"""Tests that need a program of the operating system say so, and never vanish in silence."""

import os
import shutil

import pytest


def require(there: bool, what: str) -> None:
    """Skip with a reason when `what` is missing; fail instead when REQUIRE_ALL=1."""
    if there:
        return
    reason = f"needs {what}: make tools"
    if os.environ.get("REQUIRE_ALL") == "1":
        pytest.fail(f"{reason} (REQUIRE_ALL=1 turns this skip into a failure)")
    pytest.skip(reason)


def require_program(name: str, package: str) -> str:
    """The path of a program of a package, or a skip that names it."""
    path = shutil.which(name)
    require(path is not None, f"{name} of the package {package}")
    return path or ""
