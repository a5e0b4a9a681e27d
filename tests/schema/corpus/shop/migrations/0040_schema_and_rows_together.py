"""changes_rows_under_lock, changes_many_rows_at_once."""

from django.db import migrations, models


def fill(apps, schema_editor):
    apps.get_model("shop", "Author").objects.update(initials="A")


class Migration(migrations.Migration):
    dependencies = [("shop", "0039_update_all_at_once")]
    operations = [
        migrations.AddField("author", "initials", models.CharField(max_length=9, null=True)),
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
