"""Harmless: the proof, beside the traffic."""

from django.contrib.postgres.operations import ValidateConstraint
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0013_not_null_prove_first")]
    operations = [
        ValidateConstraint("author", "shop_author_rated"),
    ]
