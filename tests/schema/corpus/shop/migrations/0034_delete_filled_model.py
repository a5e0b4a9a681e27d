"""loses_rows, lossy_reverse, breaks_old_code."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0033_remove_empty_field")]
    operations = [
        migrations.DeleteModel("Draft"),
    ]
