#!/usr/bin/env python
"""Runs the project's commands."""

import os
import sys

from django.core.management import execute_from_command_line

from config.env import ConfigurationError


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    try:
        execute_from_command_line(sys.argv)
    except ConfigurationError as error:
        sys.stderr.write(f"Configuration: {error}\n")
        raise SystemExit(3) from None


if __name__ == "__main__":
    main()
