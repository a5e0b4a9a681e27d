"""drops_filled_column, lossy_reverse, breaks_old_code."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0031_rename_model")]
    operations = [
        migrations.RemoveField("author", "nickname"),
    ]
