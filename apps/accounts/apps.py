"""The application of the people who sign in."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    name = "apps.accounts"
