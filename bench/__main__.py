"""`make bench`: pool sizes side by side, and the two interfaces; `workers` is asked for by name."""

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

from bench import interfaces, pool_sizes, workers  # noqa: E402

chosen = [workers.run(*sys.argv[2:])] if sys.argv[1:2] == ["workers"] else []
for lines in chosen or [pool_sizes.run(), interfaces.run()]:
    for line in lines:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
