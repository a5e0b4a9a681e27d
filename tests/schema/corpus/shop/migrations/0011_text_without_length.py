"""Harmless: varchar to text rewrites nothing."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0010_state_only")]
    operations = [
        migrations.AlterField("author", "code", models.TextField()),
    ]
