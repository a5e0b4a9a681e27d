"""scans_under_exclusive_lock: the index is built while nobody may read."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0028_check_at_once")]
    operations = [
        migrations.AddConstraint(
            "author",
            models.UniqueConstraint(fields=["email", "code"], name="shop_author_email_code"),
        ),
    ]
