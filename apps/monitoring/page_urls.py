"""Addresses of the pages of operation."""

from django.urls import path

from apps.monitoring.pages import jobs

urlpatterns = [path("jobs/", jobs, name="jobs")]
