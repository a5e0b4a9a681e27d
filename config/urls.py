"""Where each address leads."""

from django.contrib import admin
from django.urls import include, path

handler500 = "apps.database.resilience.handler500"

urlpatterns = [
    path("admin/", admin.site.urls),
    path("health/", include("apps.monitoring.urls")),
    path("", include("apps.web.urls")),
]
