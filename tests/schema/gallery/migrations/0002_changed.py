"""Names and kinds change; a table gets a model; SQL makes what no model can say."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = (("gallery", "0001_initial"),)

    operations = (
        migrations.RenameModel("Writer", "Person"),
        migrations.RenameField("Person", "years", "age"),
        migrations.AlterField("Person", "age", models.PositiveIntegerField(null=True)),
        migrations.AlterField("Person", "name", models.CharField(max_length=100, unique=True)),
        migrations.AlterField(
            "Person", "code", models.SlugField(max_length=30, null=True, unique=True)
        ),
        migrations.AlterField(
            "Person", "nickname", models.CharField(max_length=50, db_index=True, blank=True)
        ),
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.CreateModel(
                    "Membership",
                    [
                        ("id", models.AutoField(primary_key=True, serialize=False)),
                        (
                            "club",
                            models.ForeignKey("gallery.club", models.CASCADE),
                        ),
                        ("person", models.ForeignKey("gallery.person", models.CASCADE)),
                    ],
                    options={
                        "db_table": "gallery_club_members",
                        "unique_together": {("club", "person")},
                    },
                ),
                migrations.AlterField(
                    "Club",
                    "members",
                    models.ManyToManyField("gallery.person", through="gallery.Membership"),
                ),
            ],
            database_operations=[
                migrations.RunSQL(
                    "CREATE INDEX club_by_lower_name ON gallery_club (lower(name))",
                    "DROP INDEX club_by_lower_name",
                ),
            ],
        ),
        migrations.RunSQL(
            [
                "ALTER TABLE gallery_club ADD COLUMN search tsvector",
                "ALTER TABLE gallery_club ADD CONSTRAINT club_named CHECK (name <> '')",
                "CREATE TABLE gallery_log (at timestamptz, line text)",
                "CREATE VIEW gallery_old_view AS SELECT 1 AS id, 'old'::text AS name",
                "CREATE SCHEMA archive",
                "CREATE SEQUENCE gallery_numbers",
            ],
            [
                "DROP SEQUENCE gallery_numbers",
                "DROP SCHEMA archive",
                "DROP VIEW gallery_old_view",
                "DROP TABLE gallery_log",
                "ALTER TABLE gallery_club DROP CONSTRAINT club_named",
                "ALTER TABLE gallery_club DROP COLUMN search",
            ],
        ),
    )
