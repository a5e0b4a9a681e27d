"""Harmless: rows are read under a lock that lets everybody work."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0007_constrain_not_valid")]
    operations = [
        ValidateConstraint("author", "shop_author_visits"),
    ]
