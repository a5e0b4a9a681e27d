"""The application of the controls."""

from django.apps import AppConfig


class ControlsConfig(AppConfig):
    name = "apps.controls"
