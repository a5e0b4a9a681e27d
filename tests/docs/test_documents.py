"""What the documents tell people to type exists, and what is marked as runnable runs."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.core.management import CommandError, get_commands, load_command_class

from apps.controls.documents import Block, Command, blocks, commands
from apps.database.server import Cluster
from bench.pool_sizes import SIZES
from config.env import BASE_DIR
from config.variables import VARIABLES
from tests import environment
from tests.docs.reading import DOCUMENTS

MAKEFILE = (BASE_DIR / "Makefile").read_text()
BLOCKS = [block for path in DOCUMENTS for block in blocks(path) if block.runnable]


@pytest.mark.parametrize(
    "command", [c for path in DOCUMENTS for c in commands(path, "manage.py")], ids=str
)
def test_every_command_exists_and_takes_these_arguments(command: Command) -> None:
    application = get_commands().get(command.name)
    assert application is not None, f"{command}: there is no such command"
    loaded = load_command_class(str(application), command.name)
    if not command.arguments:
        return
    try:
        loaded.create_parser("manage.py", command.name).parse_args(command.arguments)
    except CommandError as error:
        pytest.fail(f"{command}: {error}")


@pytest.mark.parametrize(
    "command", [c for path in DOCUMENTS for c in commands(path, "make")], ids=str
)
def test_every_target_of_make_exists_and_its_variables_too(command: Command) -> None:
    assert re.search(rf"^{command.name}:", MAKEFILE, re.M), f"{command}: no such target"
    for argument in command.arguments:
        if "=" in argument:
            variable = argument.partition("=")[0]
            assert re.search(rf"^{variable} \??=|\$\({variable}\)", MAKEFILE, re.M), str(command)
        else:
            assert re.search(rf"^{argument}:", MAKEFILE, re.M), str(command)


def test_a_command_that_does_not_exist_is_noticed(tmp_path: Path) -> None:
    document = tmp_path / "wrong.md"
    document.write_text("Type `manage.py asess --self-test`.\n\n    make tset PORT=1  # all\n")
    (typed,) = commands(document, "manage.py")
    assert (typed.name, typed.arguments) == ("asess", ("--self-test",))
    assert typed.name not in get_commands()
    (made,) = commands(document, "make")
    assert (made.name, made.arguments) == ("tset", ("PORT=1",))


def test_an_option_that_does_not_exist_is_noticed() -> None:
    with pytest.raises(pytest.fail.Exception, match="unrecognized arguments: --selftest"):
        test_every_command_exists_and_takes_these_arguments(
            Command("wrong.md", "assess", ("--selftest",))
        )


def test_documents_hold_blocks_that_are_run() -> None:
    assert {block.path.name for block in BLOCKS} >= {"connections.md", "roles.md"}


@pytest.mark.parametrize("block", BLOCKS, ids=str)
@pytest.mark.django_db(transaction=True)
def test_every_block_marked_runnable_runs(block: Block, cluster: Cluster) -> None:
    language, _, *roles = block.words
    assert language in RUNNERS, f"{block}: {language} cannot be run"
    assert RUNNERS[language](block, cluster, *roles) == "", str(block)


def _run_shell(block: Block, cluster: Cluster) -> str:
    """In the project's folder, with the test database's addresses and the superuser as admin.

    Like the others returns what went wrong, or nothing.
    """
    ours = {name: os.environ[name] for v in VARIABLES if (name := v.name) in os.environ}
    answer = subprocess.run(
        ["/bin/sh", "-eu", "-c", block.text],
        cwd=BASE_DIR,
        env={
            **os.environ,
            **ours,
            "DATABASE_ADMIN_URL": cluster.address(),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        },
        capture_output=True,
        text=True,
        timeout=120,
    )
    # What a block set on the roles must not reach other tests.
    with cluster.connect() as admin:
        for role in environment.roles.all():
            admin.execute(f"ALTER ROLE {role.name} RESET ALL".encode())
    return f"exit {answer.returncode}: {answer.stdout}{answer.stderr}" if answer.returncode else ""


def _run_sql(block: Block, cluster: Cluster, role: str = "superuser") -> str:
    """As the role in the test database; rolled back."""
    names = {credential.name: credential for credential in environment.roles.all()}
    if role == "superuser":
        connection = cluster.connect(environment.DATABASE)
        connection.autocommit = False
    else:
        credential = names[f"test_{role}"]
        connection = psycopg.connect(
            cluster.address(credential.name, credential.password, environment.DATABASE)
        )
    with connection:
        try:
            connection.execute(block.text.encode())
        except psycopg.Error as error:
            return str(error)
        finally:
            connection.rollback()
    return ""


def _run_python(block: Block, cluster: Cluster) -> str:
    try:
        exec(compile(block.text, str(block), "exec"), {})
    except Exception as error:  # whatever a block of the documents raises
        return repr(error)
    return ""


RUNNERS = {"sh": _run_shell, "sql": _run_sql, "python": _run_python}


def test_the_table_of_pool_sizes_is_that_of_the_benchmark() -> None:
    text = (BASE_DIR / "docs" / "pool-sizing.md").read_text()
    table = re.findall(r"^\| (\d+) \| (\d+) \|(?: [\d.]* ?\|) \d+ ms \|", text, re.M)
    assert tuple(int(size) for size, _ in table) == SIZES
    rates = [int(rate) for _, rate in table]
    assert rates[0] > 0
    assert max(rates) > rates[0]
