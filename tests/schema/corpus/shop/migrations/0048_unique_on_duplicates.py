"""fails: the rows are not what the constraint wants."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0047_reverse_forgets")]
    operations = [
        migrations.AddConstraint(
            "author", models.UniqueConstraint(fields=["country"], name="shop_author_one_each")
        ),
    ]
