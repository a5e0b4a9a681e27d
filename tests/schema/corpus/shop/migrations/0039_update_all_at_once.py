"""changes_many_rows_at_once: every row is locked until the end."""

from django.db import migrations, models


def forwards(apps, schema_editor):
    apps.get_model("shop", "Author").objects.update(visits=models.F("visits") + 1)


def backwards(apps, schema_editor):
    apps.get_model("shop", "Author").objects.update(visits=models.F("visits") - 1)


class Migration(migrations.Migration):
    dependencies = [("shop", "0038_overwrite_values")]
    operations = [
        migrations.RunPython(forwards, backwards),
    ]
