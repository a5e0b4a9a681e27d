"""The application of the pages."""

from django.apps import AppConfig


class WebConfig(AppConfig):
    name = "apps.web"
