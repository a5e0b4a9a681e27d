"""Static files by WhiteNoise, in front of either interface."""

from collections.abc import Awaitable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware

Answer = HttpResponseBase | Awaitable[HttpResponseBase]


class StaticFilesMiddleware(WhiteNoiseMiddleware):
    """WhiteNoise knows WSGI only: under ASGI every request would leave the event loop for it."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Answer:
        if not iscoroutinefunction(self):
            return super().__call__(request)  # type: ignore[no-any-return]
        found = self._found(request.path_info)
        if found is None:
            return self.get_response(request)  # type: ignore[no-any-return]
        return self._whole(found, request)

    def _found(self, path: str) -> Any:
        return self.find_file(path) if self.autorefresh else self.files.get(path)

    async def _whole(self, found: Any, request: HttpRequest) -> HttpResponseBase:
        """The file in one piece: its iterator is synchronous, and the files are small."""
        streamed = self.serve(found, request)
        with streamed:
            whole = HttpResponse(b"".join(streamed), status=streamed.status_code)
        whole.headers = streamed.headers
        return whole
