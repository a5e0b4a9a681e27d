"""breaks_old_code: old code asks for the old table."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0030_rename_field")]
    operations = [
        migrations.RenameModel("Basket", "Cart"),
    ]
