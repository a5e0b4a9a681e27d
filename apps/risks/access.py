"""Who may read: in development anyone, in production whoever has signed in."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import resolve_url

# A view of either kind: synchronous, or a coroutine function.
View = Callable[..., Any]


def readers_only(view: View) -> View:
    """Send strangers to the login where reading needs one; nothing is kept by caches."""

    @wraps(view)
    def guarded(request: HttpRequest, /, *args: Any, **kwargs: Any) -> HttpResponse:
        if settings.READING_NEEDS_LOGIN and not request.user.is_authenticated:
            return _to_login(request)
        return _uncached(view(request, *args, **kwargs))

    @wraps(view)
    async def guarded_async(request: HttpRequest, /, *args: Any, **kwargs: Any) -> HttpResponse:
        if settings.READING_NEEDS_LOGIN and not (await request.auser()).is_authenticated:
            return _to_login(request)
        return _uncached(await view(request, *args, **kwargs))

    return guarded_async if iscoroutinefunction(view) else guarded


def _to_login(request: HttpRequest) -> HttpResponse:
    return redirect_to_login(request.get_full_path(), resolve_url(settings.LOGIN_URL))


def _uncached(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "private, no-store"
    return response
