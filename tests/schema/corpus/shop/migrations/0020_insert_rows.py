"""Harmless: new rows, which the way back takes out again."""

from django.db import migrations


def insert(apps, schema_editor):
    apps.get_model("shop", "Genre").objects.create(name="poems")


def remove(apps, schema_editor):
    apps.get_model("shop", "Genre").objects.filter(name="poems").delete()


class Migration(migrations.Migration):
    dependencies = [("shop", "0019_index_on_new_table")]
    operations = [
        migrations.RunPython(insert, remove),
    ]
