"""Addresses of monitoring; those of platforms are answered before they come here."""

from django.urls import path

from apps.monitoring.full import ReportView
from apps.monitoring.probes import PROBES

urlpatterns = [
    path("health/", ReportView.as_view(), name="health"),
    *(path(match.route, match.func, name=match.url_name) for match in PROBES.values()),
]
