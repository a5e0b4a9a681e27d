#!/usr/bin/env python
"""Runs the project's commands."""

import os
import sys

from django.core.management import execute_from_command_line

from apps.database.outlets import redact_streams
from apps.database.refusals import one_line
from config.env import one_sentence


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    redact_streams()
    with one_sentence(), one_line():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
