"""The ASGI entry point: a web process with app's credentials only."""

import os

from django.core.asgi import get_asgi_application

from config.database import refuse_persistent
from config.env import become_web_process, load_environment, one_sentence

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
become_web_process()
with one_sentence():
    refuse_persistent(load_environment())
    application = get_asgi_application()
