"""rewrites_table: a default that differs from row to row."""

from django.contrib.postgres.functions import RandomUUID
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0043_shrink_text")]
    operations = [
        migrations.AddField("author", "token", models.UUIDField(db_default=RandomUUID())),
    ]
