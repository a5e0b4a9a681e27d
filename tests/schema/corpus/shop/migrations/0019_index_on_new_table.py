"""Harmless: the table was made by a migration of the same plan."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0018_change_a_few_rows")]
    operations = [
        migrations.AddIndex("review", models.Index(fields=["text"], name="shop_review_text")),
    ]
