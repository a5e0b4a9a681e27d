"""The application of the backups, and django-dbbackup without its mailer."""

import logging
import sys
from typing import ClassVar

from dbbackup.apps import DbbackupConfig
from django.apps import AppConfig

from apps.database.redaction import RedactionFilter


class BackupsConfig(AppConfig):
    name = "apps.backups"
    auditor_reads = True
    # The web page shows which backups there are; only the owner makes, proves and removes them.
    owner_writes: ClassVar[set[str]] = {
        "backups_backuprow", "backups_verificationrow", "backups_attestation",
    }  # fmt: skip


class BackupLibraryConfig(DbbackupConfig):
    """django-dbbackup, whose own start-up installs a handler that mails the whole environment."""

    def ready(self) -> None:
        # The library's commands look for a stream handler here, and add a bare one when there is
        # none.
        logger = logging.getLogger("dbbackup.command")
        handler = logging.StreamHandler(sys.stderr)
        handler.addFilter(RedactionFilter())
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.handlers = [handler]
        logger.propagate = False
