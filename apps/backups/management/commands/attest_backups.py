"""Records that somebody has looked at a provider's own backups."""

import argparse
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from apps.backups.models import Attestation
from apps.database.connection import acting_as
from apps.database.redaction import redact

VALID = timedelta(days=90)


class Command(BaseCommand):
    help = (
        "Records what the provider's own backups are and who has looked: it cannot be seen from "
        "here, so control DATA-002.8 believes it for 90 days. Exit: 0 recorded, 1 failed."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--schedule", required=True, help="Such as 'daily at 02:00 UTC'.")
        parser.add_argument("--retention-days", required=True, type=int)
        parser.add_argument("--checked-by", required=True, help="Who has looked.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.BACKUP_PROVIDER:
            raise CommandError("BACKUP_PROVIDER is not set; expected the provider's name.")
        if options["retention_days"] < 0:
            raise CommandError(
                f"--retention-days is {options['retention_days']}; expected 0 or more."
            )
        now = timezone.now()
        try:
            with acting_as("owner"):
                Attestation.objects.create(
                    provider=settings.BACKUP_PROVIDER,
                    schedule=options["schedule"],
                    retention_days=options["retention_days"],
                    checked_by=options["checked_by"],
                    attested_at=now,
                )
        except DatabaseError as error:
            raise CommandError(redact(str(error).strip().splitlines()[0])) from None
        self.stdout.write(f"Recorded; it holds until {now + VALID:%Y-%m-%d}.")
