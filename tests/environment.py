"""A pytest plugin loaded before Django: the environment of a test process.

Addresses and passwords are chosen here, before settings are read; the cluster that they lead to
is started by the first test that needs a database.
"""

import atexit
import os
import secrets
import signal
from collections.abc import Generator

import pytest

from apps.database.embedded import scratch_cluster
from apps.database.roles import Credential, Roles
from config.variables import VARIABLES

DATABASE = "holdfast_test"

# A shell starts what it puts into the background with Ctrl-C ignored, and so would every child.
signal.signal(signal.SIGINT, signal.default_int_handler)

# What stands in the shell or in .env must not reach a test.
for variable in VARIABLES:
    os.environ.pop(variable.name, None)

roles = Roles(
    *(Credential(f"test_{role}", secrets.token_urlsafe(18)) for role in ("owner", "app", "auditor"))
)
cluster = scratch_cluster()
# A test process that needs no database leaves no folder behind either.
atexit.register(cluster.remove)

os.environ.update(
    {
        "ENVIRONMENT": "test",
        "SECRET_KEY": secrets.token_urlsafe(50),
        "ALLOWED_HOSTS": "testserver,localhost,127.0.0.1",
    }
)
for role in roles.all():
    kind = role.name.removeprefix("test_")
    name = "DATABASE_URL" if kind == "app" else f"DATABASE_{kind.upper()}_URL"
    os.environ[name] = cluster.address(role.name, role.password, DATABASE)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: "pytest.CallInfo[None]"
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With REQUIRE_ALL=1 no test may be skipped, whatever the reason."""
    report = yield
    if report.skipped and os.environ.get("REQUIRE_ALL") == "1":
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_ALL=1, and this test was skipped: {report.longrepr}"
    return report
