"""Harmless: the column keeps its name."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0015_not_null_after_proof")]
    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RenameField("author", "street", "address"),
                migrations.AlterField(
                    "author",
                    "address",
                    models.CharField(max_length=60, default="", db_column="street"),
                ),
            ]
        ),
    ]
