"""Harmless: PostgreSQL trusts the validated constraint and reads no row."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0014_not_null_validate")]
    operations = [
        migrations.AlterField("author", "rating", models.IntegerField(default=3)),
    ]
