"""scans_under_exclusive_lock, breaks_old_code: every row is read, and old code writes NULL."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0025_unique_field")]
    operations = [
        migrations.AlterField("author", "born", models.IntegerField()),
    ]
