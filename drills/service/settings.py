"""Holdfast's settings, with the service's addresses beside the register's."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "drills.service.urls"
