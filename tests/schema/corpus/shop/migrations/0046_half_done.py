"""crash_leaves_half: two steps, each kept by itself."""

from django.db import migrations


class Migration(migrations.Migration):
    atomic = False
    dependencies = [("shop", "0045_generated_column")]
    operations = [
        migrations.RunSQL("CREATE TABLE shop_extra (id int)", "DROP TABLE shop_extra"),
        migrations.RunSQL(
            "CREATE INDEX shop_extra_id ON shop_extra (id)", "DROP INDEX shop_extra_id"
        ),
    ]
