"""breaks_old_code: nothing is lost, but old code asks for it."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0034_delete_filled_model")]
    operations = [
        migrations.DeleteModel("Leaflet"),
    ]
