"""How it was before."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = ()

    operations = (
        migrations.CreateModel(
            "Writer",
            [
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=50)),
                ("nickname", models.TextField(blank=True)),
                ("years", models.PositiveIntegerField(default=3)),
                ("code", models.CharField(max_length=10, default="")),
                ("biography", models.CharField(max_length=100, db_index=True)),
            ],
        ),
        migrations.CreateModel(
            "Club",
            [
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("name", models.CharField(max_length=80)),
                ("members", models.ManyToManyField("gallery.writer")),
            ],
        ),
    )
