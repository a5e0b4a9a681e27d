"""rewrites_table: a stored column is computed for every row."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0044_random_default")]
    operations = [
        migrations.AddField(
            "author",
            "double",
            models.GeneratedField(
                expression=models.F("area") * 2, output_field=models.IntegerField(), db_persist=True
            ),
        ),
    ]
