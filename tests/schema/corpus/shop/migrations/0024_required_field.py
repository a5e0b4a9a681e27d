"""breaks_old_code: old code inserts without the new column."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0023_foreign_key_on_rows")]
    operations = [
        migrations.AddField("author", "level", models.IntegerField(default=1)),
    ]
