"""Where evidence was removed, and among what it was given."""

import django.contrib.postgres.functions
import django.utils.timezone
from django.db import migrations, models

import apps.database.keys


class Migration(migrations.Migration):
    dependencies = [("controls", "0001_initial")]

    operations = [
        migrations.CreateModel(
            name="Checkpoint",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        db_default=django.contrib.postgres.functions.RandomUUID(),
                        default=apps.database.keys.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "first",
                    models.BigIntegerField(
                        help_text="Place of the first assessment that was removed."
                    ),
                ),
                (
                    "sequence",
                    models.BigIntegerField(unique=True, help_text="Place of the last one."),
                ),
                (
                    "digest",
                    models.CharField(max_length=64, help_text="Digest of the last one."),
                ),
                ("made_at", models.DateTimeField(default=django.utils.timezone.now)),
                (
                    "made_by",
                    models.CharField(max_length=63, help_text="The role that removed them."),
                ),
                ("previous_seal", models.CharField(max_length=64)),
                (
                    "seal",
                    models.CharField(max_length=64, help_text="Digest of this checkpoint itself."),
                ),
            ],
            options={"ordering": ["sequence"]},
        ),
        migrations.AddField(
            model_name="assessment",
            name="surroundings",
            field=models.JSONField(
                null=True,
                help_text="Versions, schema and settings that the verdicts were given among.",
            ),
        ),
    ]
