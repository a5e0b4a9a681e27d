"""scans_under_exclusive_lock: every row is checked while nobody may read."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0027_wider_integer")]
    operations = [
        migrations.AddConstraint(
            "author",
            models.CheckConstraint(condition=models.Q(area__gt=0), name="shop_author_area"),
        ),
    ]
