"""The service whose faults a Prometheus watches: it also breaks on request."""

from config.settings import *  # noqa: F403

ROOT_URLCONF = "drills.service.monitored_urls"
# Guessing at the pace of the drill, not of a slow hash.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
