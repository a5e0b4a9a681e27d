"""`/metrics`: what all processes of this machine counted, and what the database tells."""

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from apps.monitoring.access import comes_from, refused, shows_token
from apps.monitoring.collector import FACTS
from apps.monitoring.metrics import REGISTRY, refresh

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@require_safe
async def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus's text, for whoever has the token or an address that is named."""
    if not may_scrape(request):
        return refused(request)
    text = await sync_to_async(exposition, thread_sensitive=False)()
    response = HttpResponse(text, content_type=CONTENT_TYPE)
    response["Cache-Control"] = "no-store"
    return response


def may_scrape(request: HttpRequest) -> bool:
    """In production nobody, until a token or an address is named."""
    return (
        not settings.READING_NEEDS_LOGIN
        or shows_token(request, settings.METRICS_TOKEN)
        or comes_from(request, settings.METRICS_ADDRESSES)
    )


def exposition() -> bytes:
    """All of it; under gunicorn of all its processes, elsewhere of this one."""
    refresh()
    everybody = CollectorRegistry()
    try:
        MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]
    except ValueError:
        everybody = REGISTRY
    return generate_latest(everybody) + generate_latest(FACTS)
