"""Harmless: nobody knows the new table; the old one is locked for a moment."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0004_add_index_concurrently")]
    operations = [
        migrations.CreateModel(
            "Review",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("text", models.TextField()),
                ("author", models.ForeignKey("shop.author", models.CASCADE)),
            ],
        ),
    ]
