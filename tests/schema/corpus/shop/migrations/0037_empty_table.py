"""loses_rows, lossy_reverse, and locked meanwhile: TRUNCATE."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0036_delete_rows")]
    operations = [
        migrations.RunSQL("TRUNCATE shop_visit", migrations.RunSQL.noop),
    ]
