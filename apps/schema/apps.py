"""The application of the schema."""

from typing import ClassVar

from django.apps import AppConfig


class SchemaConfig(AppConfig):
    name = "apps.schema"
    auditor_reads = True
    # Only the owner, who migrates, writes down what was migrated and rehearsed.
    owner_writes: ClassVar[set[str]] = {
        *("schema_migrationrun", "schema_migrationoutcome", "schema_rehearsal"),
    }
