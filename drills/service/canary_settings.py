"""The service's settings for the canary sweep: it breaks on request, and reports by mail."""

import os

from config.settings import *  # noqa: F403
from config.settings import LOGGING

ROOT_URLCONF = "drills.service.broken_urls"
ADMINS = [("somebody", "somebody@service.example")]
EMAIL_BACKEND = "django.core.mail.backends.filebased.EmailBackend"
EMAIL_FILE_PATH = os.environ["DRILL_MAILS"]
LOGGING["handlers"]["mail"] = {
    "class": "django.utils.log.AdminEmailHandler",
    "include_html": True,
    "level": "ERROR",
    "filters": ["redaction"],
}
LOGGING["loggers"]["django.request"] = {"handlers": ["mail"], "propagate": True}
