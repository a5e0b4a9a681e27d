"""The commands of docs/backup-and-restore.md, in the order of the document."""

import re
import shlex
from pathlib import Path

import pytest

from config.env import BASE_DIR
from tests.backups.service import DATABASE, service

DOCUMENT = BASE_DIR / "docs" / "backup-and-restore.md"


def commands() -> list[list[str]]:
    """The arguments of every manage.py line in a block of shell."""
    blocks = re.findall(r"```sh\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines() if line.strip()]
    return [shlex.split(line)[1:] for line in lines]


def test_every_command_of_the_document_works_in_its_order(tmp_path: Path) -> None:
    found = commands()
    assert len(found) >= 10
    with service(tmp_path / "backups") as world:
        kept = ""
        for arguments in found:
            if arguments[:2] == ["restore_backup", "latest"]:
                with world.cluster.connect() as admin:
                    admin.execute(f"DROP DATABASE {DATABASE} WITH (FORCE)".encode())
            filled = [kept if argument == "NAME" else argument for argument in arguments]
            answer = world.manage(*filled)
            # An assessment's findings are an answer; a scratch server has some.
            fine = (0, 1, 2) if arguments[0] == "assess" else (0,)
            assert answer.returncode in fine, f"{' '.join(filled)}: {answer.stderr[-800:]}"
            if arguments[0] == "verify_backup":
                kept = answer.stdout.split()[0]
                with world.connect("owner") as owner:
                    owner.execute("DELETE FROM ledger")
        with world.connect("app") as app:
            assert app.execute("SELECT count(*) FROM ledger").fetchone() is not None


@pytest.mark.parametrize("name", ["copy_backups", "attest_backups"])
def test_commands_named_in_passing_exist(name: str) -> None:
    assert f"manage.py {name}" in DOCUMENT.read_text(encoding="utf-8")
    assert (BASE_DIR / "apps/backups/management/commands" / f"{name}.py").exists()
