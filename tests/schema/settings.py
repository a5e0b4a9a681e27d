"""The project's settings with the gallery among the applications."""

from config.settings import *  # noqa: F403
from config.settings import INSTALLED_APPS as INSTALLED

INSTALLED_APPS = [*INSTALLED, "tests.schema.gallery"]
GALLERY_SWAPPED_MODEL = "gallery.Person"
