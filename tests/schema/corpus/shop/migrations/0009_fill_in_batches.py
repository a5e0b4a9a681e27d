"""Harmless: empty values are filled, in short transactions."""

from django.db import migrations


def fill(apps, schema_editor):
    authors = apps.get_model("shop", "Author").objects
    last = 0
    while keys := list(
        authors.filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:5000]
    ):
        authors.filter(pk__gte=keys[0], pk__lte=keys[-1]).update(phone="unknown")
        last = keys[-1]


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0008_validate_constraint")]
    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
