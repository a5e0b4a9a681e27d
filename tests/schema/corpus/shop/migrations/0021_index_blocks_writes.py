"""blocks_writes: an index built while nobody may write."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0020_insert_rows")]
    operations = [
        migrations.AddIndex("author", models.Index(fields=["country"], name="shop_author_country")),
    ]
