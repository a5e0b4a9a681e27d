"""rewrites_table: every row is written anew."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0026_not_null")]
    operations = [
        migrations.AlterField("author", "number", models.BigIntegerField()),
    ]
