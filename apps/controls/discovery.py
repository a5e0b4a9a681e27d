"""Finds the catalogue's controls, and refuses one that could not be trusted."""

import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from types import ModuleType

from apps.controls import catalogue
from apps.controls.control import Control, Scope


class CatalogueError(Exception):
    """A control breaks a rule of the catalogue; the message names it."""


@cache
def all_controls() -> tuple[Control, ...]:
    """Every control of the catalogue, ordered by risk's code and number."""
    found = [control for module in modules() for control in controls_of(module)]
    for control_id, count in Counter(control.id for control in found).items():
        if count > 1:
            raise CatalogueError(f"{control_id} stands twice; ids are never reused.")
    return tuple(sorted(found, key=lambda control: place_of(control.id)))


def modules() -> list[ModuleType]:
    """The catalogue's modules, in the order of their names; importing them needs Django set up."""
    names = [module.name for module in pkgutil.iter_modules(catalogue.__path__)]
    return [importlib.import_module(f"{catalogue.__name__}.{name}") for name in sorted(names)]


def controls_of(module: ModuleType) -> list[Control]:
    """The controls that a module defines, each checked against the rules."""
    controls = [value for value in vars(module).values() if isinstance(value, Control)]
    for control in controls:
        _check(control, module)
    return controls


def _check(control: Control, module: ModuleType) -> None:
    name = module.__name__.rpartition(".")[2]
    code = re.match(r"([a-z]+)_([0-9]{3})_", name)
    if code is None:
        raise CatalogueError(f"{name}.py is not named after its risk, such as sec_004_….py.")
    prefix = f"{code[1].upper()}-{code[2]}"
    if not re.fullmatch(rf"{re.escape(prefix)}\.[1-9][0-9]*", control.id):
        raise CatalogueError(f"{control.id} stands in {name}.py; expected an id of {prefix}.")
    if not (module.__doc__ or "").strip():
        raise CatalogueError(f"{name}.py has no docstring; it is the page of {prefix}.")
    if not control.specimens:
        raise CatalogueError(f"{control.id} has no specimen; nothing proves that it can fail.")
    shown = {state.reason for state in control.inapplicable}
    if shown != set(control.not_applicable):
        missing = sorted(shown ^ set(control.not_applicable))
        raise CatalogueError(f"{control.id}: the reason {missing[0]!r} has no specimen of its own.")


def place_of(control_id: str) -> tuple[str, int, str]:
    """Where a control stands in the catalogue's order; any text has a place."""
    risk, _, number = control_id.rpartition(".")
    return risk, int(number) if number.isascii() and number.isdecimal() else 0, control_id


def select(
    controls: Iterable[Control],
    ids: Sequence[str] = (),
    risks: Sequence[str] = (),
    scope: Scope | None = None,
) -> list[Control]:
    """The controls with these ids or of these risks, all when neither is given, of this scope.

    Raises CatalogueError for an id that no control has, a risk that has no control, or when
    nothing is left.
    """
    controls = list(controls)
    # A risk's code given as a control would choose nothing, and nothing never fails.
    unknown = sorted(set(ids) - {control.id for control in controls})
    unknown += sorted(set(risks) - {control.risk for control in controls})
    if unknown:
        raise CatalogueError(f"There is no control or risk {unknown[0]!r} in the catalogue.")
    if ids or risks:
        controls = [control for control in controls if control.id in ids or control.risk in risks]
    chosen = [control for control in controls if scope in (None, control.scope)]
    if controls and not chosen:
        raise CatalogueError(
            f"{controls[0].id} needs the project, and so do all that were chosen: its scope is "
            f"{controls[0].scope}, not {scope}. Expected --scope all, or a control of that scope."
        )
    return chosen
