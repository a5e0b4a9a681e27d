"""Harmless: a nullable column is catalog work only."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial")]
    operations = [
        migrations.AddField("author", "phone", models.CharField(max_length=30, null=True)),
    ]
