"""The application of the schema."""

from django.apps import AppConfig


class SchemaConfig(AppConfig):
    name = "apps.schema"
