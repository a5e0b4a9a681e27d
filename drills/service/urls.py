"""One write by its key, and a request that holds a connection, for either interface."""

from uuid import UUID

from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from apps.database.asynchronous import in_transaction

# As long as the work of a request may take, so that faults meet writes in flight.
WORK_SECONDS = 0.03


def insert(key: UUID) -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO drill_write (key) VALUES (%s)", [key])
        cursor.execute("SELECT pg_catalog.pg_sleep(%s)", [WORK_SECONDS])


@csrf_exempt
@require_POST
def write(request: HttpRequest, key: UUID) -> HttpResponse:
    """201 once the write is committed."""
    transaction.atomic(insert)(key)
    return HttpResponse(status=201)


@csrf_exempt
@require_POST
async def write_async(request: HttpRequest, key: UUID) -> HttpResponse:
    """The same, on the event loop."""
    await in_transaction(insert, key)
    return HttpResponse(status=201)


def sleep_in_the_server(milliseconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_catalog.pg_sleep(%s)", [milliseconds / 1000])


async def hold(request: HttpRequest, milliseconds: int) -> HttpResponse:
    """Hold a connection for so long."""
    await sync_to_async(sleep_in_the_server)(milliseconds)
    return HttpResponse(b"held\n", content_type="text/plain")


def hold_in_a_thread(request: HttpRequest, milliseconds: int) -> HttpResponse:
    sleep_in_the_server(milliseconds)
    return HttpResponse(b"held\n", content_type="text/plain")


on_the_loop = settings.WEB_INTERFACE == "asgi"
urlpatterns = [
    path("writes/<uuid:key>/", write_async if on_the_loop else write),
    path("hold/<int:milliseconds>/", hold if on_the_loop else hold_in_a_thread),
    path("", include("config.urls")),
]
