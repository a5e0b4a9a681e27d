"""What others remember of the chain: the sidecars of backups, and what a person has noted."""

import re
from collections.abc import Iterator

from apps.backups.catalogue import backups
from apps.controls.evidence import CHAIN, Outside
from apps.database.chains import Head

_NOTED = re.compile(r"([1-9][0-9]{0,17}):([0-9a-f]{64})")


def heads_in_sidecars(database: str) -> Iterator[Outside]:
    """The heads that the backups of this database keep; raises what the storage raises."""
    for backup in backups(database):
        if CHAIN in backup.heads:
            yield Outside(backup.heads[CHAIN], f"the backup {backup.name}")


def noted_head(text: str) -> Outside:
    """A head as the log has it, such as `12:3f…`. Raises ValueError with what was expected."""
    match = _NOTED.fullmatch(text.strip())
    if match is None:
        raise ValueError(
            f"--head is {text[:80]!r}; expected a place and 64 hexadecimal digits, as the log of "
            "an assessment has them: 12:3f…"
        )
    return Outside(Head(int(match[1]), match[2]), "--head")
