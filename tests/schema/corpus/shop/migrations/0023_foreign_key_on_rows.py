"""blocks_writes: every row is looked up in the other table."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shop", "0022_foreign_key_field")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE shop_book ADD CONSTRAINT shop_book_genre FOREIGN KEY (genre_number) REFERENCES shop_genre (id)",
            "ALTER TABLE shop_book DROP CONSTRAINT shop_book_genre",
        ),
    ]
