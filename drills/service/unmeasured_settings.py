"""The service without the metrics' listeners, to be measured beside the one that has them."""

from apps.monitoring import apps
from drills.service.settings import *  # noqa: F403

apps.LISTENERS = ()
