"""`make bench`: every benchmark, or the named ones: `python -m bench backups 2000`."""

import os
import secrets
import sys

os.environ.update(
    ENVIRONMENT="test",
    SECRET_KEY=secrets.token_urlsafe(50),
    DATABASE_URL="postgresql://nobody@%2Fnowhere/none",
    DJANGO_SETTINGS_MODULE="config.settings",
)

import django

django.setup()

from bench import backups, interfaces, pool_sizes  # noqa: E402

BENCHMARKS = {"pool_sizes": pool_sizes.run, "interfaces": interfaces.run, "backups": backups.run}


def main(arguments: list[str]) -> None:
    """Names of benchmarks, each with its numbers behind it; all when none is named."""
    names = [word for word in arguments if not word.isdecimal()] or list(BENCHMARKS)
    numbers = [int(word) for word in arguments if word.isdecimal()]
    unknown = set(names) - set(BENCHMARKS)
    if unknown:
        raise SystemExit(f"No benchmark {sorted(unknown)[0]!r}; there are {', '.join(BENCHMARKS)}.")
    for name in names:
        lines = backups.run(*numbers) if name == "backups" else BENCHMARKS[name]()
        for line in lines:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


main(sys.argv[1:])
