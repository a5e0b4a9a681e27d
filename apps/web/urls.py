"""Addresses of the pages."""

from django.urls import path

from apps.web import backups, gate, history, views

app_name = "web"
urlpatterns = [
    path("", views.register, name="register"),
    path("risks/<uuid:key>/", views.risk, name="risk"),
    path("gate/", gate.gate, name="gate"),
    path("backups/", backups.backups, name="backups"),
    path("migrations/", history.migrations, name="migrations"),
    path("search/", views.search, name="search"),
]
