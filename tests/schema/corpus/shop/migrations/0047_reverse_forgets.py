"""reverse_differs: what the way back leaves is still there."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0046_half_done")]
    operations = [
        migrations.RunSQL("CREATE SEQUENCE IF NOT EXISTS shop_numbers", migrations.RunSQL.noop),
    ]
