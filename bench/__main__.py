"""`make bench`: pool sizes side by side, the two interfaces, and the rehearsal of migrations."""

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

from bench import interfaces, pool_sizes, rehearsal  # noqa: E402

for benchmark in (pool_sizes, interfaces, rehearsal):
    for line in benchmark.run():
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
