"""The queue is shown by a page of our own: its library's admin changes it, which app may not."""

from django.contrib import admin
from procrastinate.contrib.django import admin as _registers  # noqa: F401
from procrastinate.contrib.django.models import ProcrastinateJob

admin.site.unregister(ProcrastinateJob)
