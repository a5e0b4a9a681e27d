"""breaks_old_code: nothing is lost, but old code asks for it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0032_remove_filled_field")]
    operations = [
        migrations.RemoveField("author", "unused"),
    ]
