"""Views that fail with a secret in their hands, beside the project's own."""

import logging

import psycopg
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

logger = logging.getLogger("service")


def password() -> str:
    return str(settings.DATABASES["default"]["PASSWORD"])


def crash(request: HttpRequest) -> HttpResponse:
    address = f"postgresql://service_app:{password()}@database/service"
    raise RuntimeError(f"cannot use {address}")


async def crash_async(request: HttpRequest) -> HttpResponse:
    secret = password()
    raise RuntimeError(f"cannot use {secret!r}")


def bad_statement(request: HttpRequest) -> HttpResponse:
    with connection.cursor() as cursor:
        # sql-reviewed: the fault itself, a statement with a secret that the server refuses.
        cursor.execute(f"ALTER ROLE nobody PASSWRD '{password()}'")
    return HttpResponse()


def bad_address(request: HttpRequest) -> HttpResponse:
    psycopg.connect(f"host=127.0.0.1 port=1 user=service_app password={password()} nonsense")
    return HttpResponse()


def log(request: HttpRequest) -> HttpResponse:
    logger.warning("connecting with %s", password(), extra={"password": password()})
    return HttpResponse("logged")


urlpatterns = [
    path("crash/", crash),
    path("crash-async/", crash_async),
    path("bad-statement/", bad_statement),
    path("bad-address/", bad_address),
    path("log/", log),
    path("", include("config.urls")),
]
