"""A rehearsal of a backup: its rows, and the real database's sizes."""

import json

from tests.schema.workshop import Workshop

FILL = "INSERT INTO workshop_item (name, note) SELECT g, md5(g::text) FROM generate_series({}) g"
INDEX = 'migrations.AddIndex("Item", models.Index(fields=["name"], name="by_name"))'
DELETES = 'migrations.RunSQL("DELETE FROM workshop_item WHERE id % 10 = 0", "SELECT 1")'


def backed_up(workshop: Workshop) -> str:
    """The name of a backup made now."""
    answer = workshop.world.run(workshop.database, "dbbackup", **workshop.variables)
    assert answer.returncode == 0, answer.stderr
    (name,) = {
        path.name
        for path in (workshop.folder / "backups").iterdir()
        if not path.name.endswith(".metadata")
    }
    return name


def test_the_copy_has_the_backups_rows_and_the_report_the_real_sizes(workshop: Workshop) -> None:
    workshop.sql(FILL.format("1, 5000"))
    name = backed_up(workshop)
    workshop.sql(FILL.format("5001, 40000"))
    workshop.sql("ANALYZE workshop_item")
    workshop.write("0002_index", INDEX)
    workshop.write("0003_delete", DELETES, after="0002_index")
    answer = workshop.rehearse("--from-backup", name, "--format", "json")
    assert answer.returncode == 1, answer.stderr
    said = json.loads(answer.stdout)
    assert (said["source"], said["backup"]) == ("backup", name)
    index, delete = said["migrations"]
    # The copy's 5,000 rows would be too few to be a hazard.
    assert index["hazards"] == ["blocks_writes"]
    (lock,) = index["locks"]
    assert (lock["table"], lock["mode"], lock["rows"]) == (
        "public.workshop_item",
        "ShareLock",
        40_000,
    )
    assert 6 * index["duration_seconds"] < index["duration_seconds_scaled"]
    assert index["duration_seconds_scaled"] < 10 * index["duration_seconds"]
    assert delete["rows_lost"] == {"public.workshop_item": 500}
    assert workshop.sql("SELECT count(*) FROM workshop_item") == [(40_000,)]
    without_a_word = workshop.rehearse("--no-record")
    assert f"on a copy (backup {name}, of " in without_a_word.stdout
