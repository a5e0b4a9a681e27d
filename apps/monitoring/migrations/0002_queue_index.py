"""The queue's library leaves one foreign key without an index, which PERF-002.1 finds."""

from django.db import migrations


class Migration(migrations.Migration):
    # An index of a table that is in use is built beside it.
    atomic = False

    dependencies = [
        ("monitoring", "0001_job_runs"),
        ("procrastinate", "0041_post_retry_failed_job"),
    ]

    operations = [
        migrations.RunSQL(
            "CREATE INDEX CONCURRENTLY monitoring_queue_worker ON procrastinate_jobs (worker_id)",
            "DROP INDEX CONCURRENTLY monitoring_queue_worker",
        ),
    ]
