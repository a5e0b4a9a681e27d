"""How gunicorn serves: `gunicorn --config config/gunicorn.py`."""

import os
import sys
from typing import Any

from config.env import INTERFACES, load_environment, one_sentence
from config.multiprocess import forget_process, start_afresh

with one_sentence():
    _env = load_environment()
    _interface = _env.choice("WEB_INTERFACE", INTERFACES)
    bind = f"{_env.text('WEB_HOST')}:{_env.integer('PORT', minimum=1, maximum=65535)}"
    workers = _env.integer("WEB_CONCURRENCY", minimum=1, maximum=1000)
    threads = _env.integer("WEB_THREADS", minimum=1, maximum=1000)
    _log_format = _env.log_format()

wsgi_app = f"config.{_interface}:application"
worker_class = "asgi" if _interface == "asgi" else "gthread"
timeout = 30
graceful_timeout = 20
keepalive = 5
# A heartbeat file on a slow disk would stop workers for nothing.
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108
# On by default, in the home directory: a door that nobody asked for.
control_socket_disable = True
accesslog = "-"
# gunicorn's own handlers would pass by the filter; its format of lines stays.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "redaction": {"()": "apps.database.redaction.RedactionFilter"},
        "request_id": {"()": "apps.database.request_id.RequestIdFilter"},
    },
    "formatters": {
        "line": {
            "format": "{asctime} {levelname} {name} [{process}] {request_id}: {message}",
            "style": "{",
        },
        "access": {"format": "{message} {request_id}", "style": "{"},
        "json": {"()": "apps.database.json_lines.RedactingJsonFormatter"},
    },
    "handlers": {
        "error": {
            "class": "logging.StreamHandler",
            "filters": ["request_id", "redaction"],
            "formatter": _log_format,
        },
        "access": {
            "class": "logging.StreamHandler",
            "filters": ["request_id", "redaction"],
            "formatter": "json" if _log_format == "json" else "access",
            "stream": "ext://sys.stdout",
        },
    },
    "root": {"handlers": ["error"], "level": "INFO"},
    "loggers": {
        "gunicorn.error": {"handlers": ["error"], "level": "INFO", "propagate": False},
        "gunicorn.access": {"handlers": ["access"], "level": "INFO", "propagate": False},
    },
}
# Path without query: a query may hold what somebody searched for, or a secret.
access_log_format = '%(h)s "%(m)s %(U)s" %(s)s %(B)s %(M)sms'


def pre_fork(server: Any, worker: Any) -> None:
    """A pool that was opened before the fork breaks every child; the master must have none."""
    django_conf = sys.modules.get("django.conf")
    if django_conf is not None and django_conf.settings.configured:
        sys.modules["django.db"].connections.close_all()


def on_starting(server: Any) -> None:
    """The metrics of an earlier start would be added to those of this one."""
    start_afresh()


def child_exit(server: Any, worker: Any) -> None:
    """What a worker counted stays; what it held, such as connections, is gone."""
    forget_process(worker.pid)
