"""Answers platforms before anything asks which host they meant."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, cast

from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import ResolverMatch

from apps.monitoring.exposition import metrics
from apps.monitoring.health import ReadyView, StartupView, live

Answer = HttpResponseBase | Awaitable[HttpResponseBase]

PROBES: Mapping[str, ResolverMatch] = {
    f"/{match.route}": match
    for match in (
        ResolverMatch(live, (), {}, "live", route="health/live/"),
        ResolverMatch(ReadyView.as_view(), (), {}, "ready", route="health/ready/"),
        ResolverMatch(StartupView.as_view(), (), {}, "startup", route="health/startup/"),
        ResolverMatch(metrics, (), {}, "metrics", route="metrics"),
    )
}


class ProbeMiddleware:
    """Kubernetes and Prometheus ask by a pod's address, Railway as healthcheck.railway.app.

    Nothing in these answers depends on the host, so ALLOWED_HOSTS stays as narrow as it is for
    every page. They also need no session, no form and nobody who has signed in.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Answer]) -> None:
        self.get_response = get_response
        self._asynchronous = iscoroutinefunction(get_response)
        if self._asynchronous:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer:
        match = PROBES.get(request.path_info)
        if match is None:
            return self.get_response(request)
        request.resolver_match = match
        view = match.func
        if self._asynchronous:
            return self._later(view, request)
        answer = async_to_sync(view)(request) if iscoroutinefunction(view) else view(request)
        return cast("HttpResponse", answer)

    async def _later(self, view: Callable[..., Any], request: HttpRequest) -> HttpResponseBase:
        answer = view(request)
        return cast("HttpResponse", await answer if iscoroutinefunction(view) else answer)
