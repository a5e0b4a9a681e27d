"""scans_under_exclusive_lock: a unique column is indexed at once."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("shop", "0024_required_field")]
    operations = [
        migrations.AddField(
            "author", "isni", models.CharField(max_length=16, null=True, unique=True)
        ),
    ]
