"""`make bench`: every benchmark; `python -m bench NAME [ARGUMENT…]`: one, such as `backups 2000`.

A benchmark is a module of this package with a `run` that yields lines. One whose `run` needs to be
told folders stands in ASKED_FOR and runs by name only.
"""

import importlib
import os
import pkgutil
import secrets
import sys
from collections.abc import Sequence
from types import ModuleType

os.environ.update(
    ENVIRONMENT="test",
    SECRET_KEY=secrets.token_urlsafe(50),
    DATABASE_URL="postgresql://nobody@%2Fnowhere/none",
    DJANGO_SETTINGS_MODULE="config.settings",
)

import django

django.setup()

ASKED_FOR = {"workers"}


def benchmarks() -> dict[str, ModuleType]:
    """The benchmarks of this package, by name."""
    package = sys.modules[__package__ or "bench"]
    modules = {
        module.name: importlib.import_module(f"bench.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
        if module.name != "__main__"
    }
    return {name: module for name, module in modules.items() if hasattr(module, "run")}


def main(words: Sequence[str]) -> None:
    known = benchmarks()
    name, *given = words or [""]
    if name and name not in known:
        raise SystemExit(f"There is no benchmark {name!r}; there are {', '.join(known)}.")
    arguments = [int(word) if word.isdecimal() else word for word in given]
    for chosen in [name] if name else sorted(known.keys() - ASKED_FOR):
        sys.stdout.write(f"\n# {chosen}\n\n")
        for line in known[chosen].run(*arguments):
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
