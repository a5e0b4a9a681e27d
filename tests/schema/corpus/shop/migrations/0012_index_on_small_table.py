"""Harmless: twenty rows are read before anybody notices."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0011_text_without_length")]
    operations = [
        migrations.AddIndex("genre", models.Index(fields=["name"], name="shop_genre_name")),
    ]
