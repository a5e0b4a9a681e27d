"""Harmless: only rows to come are checked."""

from django.contrib.postgres.operations import AddConstraintNotValid
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0006_widen_text")]
    operations = [
        AddConstraintNotValid(
            "author",
            models.CheckConstraint(condition=models.Q(visits__gte=0), name="shop_author_visits"),
        ),
    ]
