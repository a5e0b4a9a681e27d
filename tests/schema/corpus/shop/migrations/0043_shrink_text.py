"""rewrites_table, lossy_reverse, breaks_old_code: values are cut off."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0042_declared_no_way_back")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE shop_author ALTER COLUMN slogan TYPE varchar(5) USING left(slogan, 5)",
            "ALTER TABLE shop_author ALTER COLUMN slogan TYPE varchar(60)",
        ),
    ]
