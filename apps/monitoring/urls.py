"""Addresses of the health probes."""

from django.urls import path

from apps.monitoring.health import ReadyView, live

urlpatterns = [
    path("live/", live, name="live"),
    path("ready/", ReadyView.as_view(), name="ready"),
]
