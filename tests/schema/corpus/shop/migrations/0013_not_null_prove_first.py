"""Harmless: the constraint that will prove it, for rows to come."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0012_index_on_small_table")]
    operations = [
        AddConstraintNotValid(
            "author",
            models.CheckConstraint(
                condition=models.Q(rating__isnull=False), name="shop_author_rated"
            ),
        ),
    ]
