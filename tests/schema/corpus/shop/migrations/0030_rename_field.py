"""breaks_old_code: old code asks for the old name."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0029_unique_at_once")]
    operations = [
        migrations.RenameField("author", "motto", "slogan"),
    ]
