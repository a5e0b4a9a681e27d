"""An address that asks for what no database can hold, such as a NUL character, is answered 400."""

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.views.defaults import bad_request

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


class ImpossibleValueMiddleware:
    """Forms check what they are given; filters and lookups in an address reach the driver.

    Only of what reads: a value that cannot be kept is a defect of the code that writes it.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Answer]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, DataError) and request.method in ("GET", "HEAD"):
            return bad_request(request, error)
        return None
