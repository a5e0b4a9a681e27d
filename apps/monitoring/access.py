"""Whom monitoring answers: programs by a token or their address, people who have signed in."""

from ipaddress import ip_address

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url
from django.utils.crypto import constant_time_compare

from config.tokens import Network

# A proxy's address is not the client's, so where one has passed the request on, none counts.
PASSED_ON = ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via")


def shows_token(request: HttpRequest, token: str | None) -> bool:
    """Whether the request carries the token; never where there is none to carry."""
    scheme, _, given = request.headers.get("Authorization", "").partition(" ")
    return (
        token is not None
        and scheme.lower() == "bearer"
        and constant_time_compare(given.strip(), token)
    )


def comes_from(request: HttpRequest, networks: list[Network]) -> bool:
    """Whether the client itself, without a proxy, has one of these addresses."""
    if any(name in request.headers for name in PASSED_ON):
        return False
    try:
        address = ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in network for network in networks)


async def is_reader(request: HttpRequest) -> bool:
    """Whoever may read the pages may read the whole health."""
    if shows_token(request, settings.HEALTH_TOKEN) or not settings.READING_NEEDS_LOGIN:
        return True
    return (await request.auser()).is_authenticated


def refused(request: HttpRequest) -> HttpResponse:
    """The login for people, 401 for programs; neither says more."""
    if "text/html" in request.headers.get("Accept", ""):
        return redirect_to_login(request.get_full_path(), resolve_url(settings.LOGIN_URL))
    response = HttpResponse("A token is needed.\n", content_type="text/plain", status=401)
    response["WWW-Authenticate"] = "Bearer"
    response["Cache-Control"] = "no-store"
    return response
