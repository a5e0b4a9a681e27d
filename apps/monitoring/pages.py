"""The page of the work that runs by itself: when each job falls due, and how it last ended."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from apps.database.retries import read_again
from apps.monitoring.models import JobRun
from apps.monitoring.status import job_statuses
from apps.risks.access import readers_only
from config.commands import manage

SHOWN = 40


@require_safe
@read_again
@readers_only
def jobs(request: HttpRequest) -> HttpResponse:
    """Every job with its newest run, and the newest runs of all."""
    statuses = job_statuses()
    context = {
        "statuses": statuses,
        "never": all(status.last is None for status in statuses),
        "runs": JobRun.objects.newest_first()[:SHOWN],
        "shown": SHOWN,
        "now": timezone.now(),
        "command": manage("work"),
    }
    return render(request, "monitoring/jobs.html", context)
