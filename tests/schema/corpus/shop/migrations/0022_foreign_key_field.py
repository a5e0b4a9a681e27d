"""blocks_writes: the column is free, its index is not."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0021_index_blocks_writes")]
    operations = [
        migrations.AddField(
            "author", "genre", models.ForeignKey("shop.genre", models.SET_NULL, null=True)
        ),
    ]
