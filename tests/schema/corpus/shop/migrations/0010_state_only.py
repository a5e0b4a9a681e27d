"""Harmless: Django's words change, the database does not."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0009_fill_in_batches")]
    operations = [
        migrations.AlterField(
            "author", "name", models.CharField(max_length=200, help_text="As printed.")
        ),
        migrations.AlterModelOptions("author", {"ordering": ["name"], "verbose_name": "writer"}),
    ]
