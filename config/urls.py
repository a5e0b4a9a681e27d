"""Where each address leads."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("", include("apps.monitoring.urls")),
    path("", include("apps.monitoring.page_urls")),
    path("", include("apps.web.urls")),
]
