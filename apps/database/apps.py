"""The application of the connection and the facts."""

from django.apps import AppConfig


class DatabaseConfig(AppConfig):
    name = "apps.database"
