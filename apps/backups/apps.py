"""The application of the backups."""

from django.apps import AppConfig


class BackupsConfig(AppConfig):
    name = "apps.backups"
