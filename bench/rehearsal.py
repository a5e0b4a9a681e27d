"""How long the rehearsal of the corpus takes, for each migration, on 100,000 rows."""

import time
from collections.abc import Iterator

from django.conf import settings
from django.test import override_settings

from apps.database.embedded import scratch_cluster
from apps.schema.rehearsal.copy import Source
from apps.schema.rehearsal.live import read_live
from apps.schema.rehearsal.rehearse import rehearse
from tests.schema.corpus.expected import EXPECTED
from tests.schema.shop import APP, live_shop

ROWS = 100_000
# What the whole rehearsal may take for each migration.
BUDGET_SECONDS = 0.5


def run() -> Iterator[str]:
    """The lines of the report."""
    with (
        override_settings(INSTALLED_APPS=[*settings.INSTALLED_APPS, APP]),
        scratch_cluster() as cluster,
        live_shop(cluster, ROWS) as entry,
    ):
        live = read_live(entry)
        started, processor = time.monotonic(), time.process_time()
        made = rehearse(entry, live, Source("live"), [("shop", None)])
        seconds = time.monotonic() - started
        processor = time.process_time() - processor
    number = len(made.migrations)
    accused = [
        one.name for one in made.migrations if one.hazards and not EXPECTED[one.name].hazards
    ]
    yield (
        f"rehearsal: {number} migrations on {ROWS} rows in {seconds:.1f} s, copy and server "
        f"included: {seconds / number:.2f} s each (budget {BUDGET_SECONDS} s, "
        f"{seconds / number / BUDGET_SECONDS:.2f} of it), {processor / number:.2f} s of Python"
    )
    yield f"rehearsal: {len(accused)} harmless migrations accused"
    yield ""
