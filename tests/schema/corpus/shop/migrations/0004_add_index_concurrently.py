"""Harmless: the index is built beside the traffic."""

from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations, models


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0003_add_field_with_database_default")]
    operations = [
        AddIndexConcurrently("author", models.Index(fields=["email"], name="shop_author_email")),
    ]
