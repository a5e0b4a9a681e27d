"""lossy_reverse: the old values are gone."""

from django.db import migrations


def clean(apps, schema_editor):
    apps.get_model("shop", "Author").objects.filter(pk__lte=500).update(email="")


class Migration(migrations.Migration):
    dependencies = [("shop", "0037_empty_table")]
    operations = [
        migrations.RunPython(clean, migrations.RunPython.noop),
    ]
