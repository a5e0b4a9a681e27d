"""irreversible, and nobody says so."""

from django.db import migrations


def greet(apps, schema_editor):
    apps.get_model("shop", "Genre").objects.filter(name="none").update(name="nothing")


class Migration(migrations.Migration):
    dependencies = [("shop", "0040_schema_and_rows_together")]
    operations = [
        migrations.RunPython(greet),
    ]
