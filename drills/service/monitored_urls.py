"""The service's addresses, and those that break."""

from drills.service import broken_urls, urls

urlpatterns = [*broken_urls.urlpatterns[:-1], *urls.urlpatterns]
