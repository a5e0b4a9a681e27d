"""The gallery as an application."""

from django.apps import AppConfig


class GalleryConfig(AppConfig):
    name = "tests.schema.gallery"
    label = "gallery"
    default_auto_field = "django.db.models.BigAutoField"
