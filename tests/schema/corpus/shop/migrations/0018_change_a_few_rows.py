"""Harmless: twenty rows, and a way back."""

from django.db import migrations


def louder(apps, schema_editor):
    for genre in apps.get_model("shop", "Genre").objects.all():
        genre.name += "!"
        genre.save()


def quieter(apps, schema_editor):
    for genre in apps.get_model("shop", "Genre").objects.all():
        genre.name = genre.name.removesuffix("!")
        genre.save()


class Migration(migrations.Migration):
    dependencies = [("shop", "0017_remove_index_concurrently")]
    operations = [
        migrations.RunPython(louder, quieter),
    ]
