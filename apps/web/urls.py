"""Addresses of the pages."""

from django.urls import path

from apps.web import views

app_name = "web"
urlpatterns = [
    path("", views.register, name="register"),
    path("risks/<uuid:key>/", views.risk, name="risk"),
    path("search/", views.search, name="search"),
]
