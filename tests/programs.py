"""Tests that need a program of the operating system say so, and never vanish in silence."""

import shutil

import pytest


def require(there: bool, what: str) -> None:
    """Skip with a reason when `what` is missing; REQUIRE_ALL=1 turns that into a failure."""
    if not there:
        pytest.skip(f"needs {what}: make tools")


def require_program(name: str, package: str) -> str:
    """The path of a program of a package, or a skip that names it."""
    path = shutil.which(name)
    require(path is not None, f"{name} of the package {package}")
    return path or ""
