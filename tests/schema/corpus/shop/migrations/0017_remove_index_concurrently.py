"""Harmless: the index goes beside the traffic."""

from django.contrib.postgres.operations import RemoveIndexConcurrently
from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0016_rename_in_python_only")]
    operations = [
        RemoveIndexConcurrently("author", "shop_author_email"),
    ]
