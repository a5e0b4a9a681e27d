"""Harmless: the database fills the column for old code too."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0002_add_nullable_field")]
    operations = [
        migrations.AddField("author", "orders", models.IntegerField(db_default=0)),
    ]
