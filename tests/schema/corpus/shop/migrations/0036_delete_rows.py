"""loses_rows, lossy_reverse."""

from django.db import migrations


def delete(apps, schema_editor):
    apps.get_model("shop", "Visit").objects.filter(pk__lte=100).delete()


class Migration(migrations.Migration):
    dependencies = [("shop", "0035_delete_empty_model")]
    operations = [
        migrations.RunPython(delete, migrations.RunPython.noop),
    ]
