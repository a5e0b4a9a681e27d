"""The shop: one large table, one that points to it, and small ones."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            "Author",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=100)),
                ("email", models.CharField(max_length=200)),
                ("country", models.CharField(max_length=2, default="nl")),
                ("code", models.CharField(max_length=20)),
                ("number", models.IntegerField()),
                ("visits", models.IntegerField(default=0)),
                ("balance", models.DecimalField(max_digits=10, decimal_places=2, default=0)),
                ("born", models.IntegerField(null=True)),
                ("rating", models.IntegerField(null=True, default=3)),
                ("nickname", models.CharField(max_length=40, null=True)),
                ("remark", models.TextField(null=True)),
                ("unused", models.TextField(null=True)),
                ("motto", models.CharField(max_length=60)),
                ("area", models.IntegerField(default=1)),
                ("street", models.CharField(max_length=60, default="")),
                ("active", models.BooleanField(default=True)),
            ],
        ),
        migrations.CreateModel(
            "Genre",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("name", models.CharField(max_length=40)),
            ],
        ),
        migrations.CreateModel(
            "Book",
            [
                ("id", models.BigAutoField(primary_key=True)),
                ("title", models.CharField(max_length=100)),
                ("author", models.ForeignKey("shop.author", models.CASCADE)),
                ("genre_number", models.BigIntegerField(null=True)),
            ],
        ),
        migrations.CreateModel(
            "Draft", [("id", models.BigAutoField(primary_key=True)), ("text", models.TextField())]
        ),
        migrations.CreateModel(
            "Leaflet", [("id", models.BigAutoField(primary_key=True)), ("text", models.TextField())]
        ),
        migrations.CreateModel(
            "Visit", [("id", models.BigAutoField(primary_key=True)), ("page", models.TextField())]
        ),
        migrations.CreateModel(
            "Basket", [("id", models.BigAutoField(primary_key=True)), ("note", models.TextField())]
        ),
    ]
