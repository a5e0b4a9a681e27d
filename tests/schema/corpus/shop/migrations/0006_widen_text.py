"""Harmless: a longer varchar rewrites nothing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0005_create_model_with_foreign_key")]
    operations = [
        migrations.AlterField("author", "name", models.CharField(max_length=200)),
    ]
