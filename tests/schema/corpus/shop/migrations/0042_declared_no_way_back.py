"""declared_irreversible: the reason stands in the migration."""

from django.db import migrations


def greet(apps, schema_editor):
    apps.get_model("shop", "Genre").objects.filter(name="none").update(name="nothing")


class Migration(migrations.Migration):
    irreversible = "There is nothing to take back."
    dependencies = [("shop", "0041_no_way_back")]
    operations = [
        migrations.RunPython(greet),
    ]
