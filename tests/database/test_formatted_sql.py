"""The scan finds every way to format a statement, and leaves written and composed ones alone."""

import subprocess
import sys
from pathlib import Path

import pytest

from apps.database.formatted_sql import PLACES, python_files, scan, scan_text
from config.env import BASE_DIR

FORMATTED = (
    "cursor.execute(f\"SELECT * FROM t WHERE a = '{value}'\")",
    'cursor.execute("SELECT * FROM t WHERE a = %s" % value)',
    'cursor.execute("SELECT * FROM t WHERE a = %s" % (value,))',
    'cursor.execute("SELECT * FROM t WHERE a = {}".format(value))',
    'cursor.execute("SELECT * FROM {a}".format_map(value))',
    'cursor.execute("SELECT * FROM " + value)',
    'cursor.execute(" ".join(["SELECT * FROM", value]))',
    'cursor.execute("SELECT :a".replace(":a", value))',
    'cursor.execute(f"SELECT {value}".encode())',
    'cursor.execute(bytes(f"SELECT {value}", "utf-8"))',
    "cursor.execute(value)",
    "cursor.execute(value.encode())",
    'cursor.execute(query=f"SELECT {value}")',
    'cursor.executemany("INSERT INTO " + value, rows)',
    'cursor.execute("SELECT 1; " if flag else f"SELECT {value}")',
    'cursor.execute(value or "SELECT 1")',
    "cursor.execute(*value)",
    'query = "SELECT 1"; query += value; cursor.execute(query)',
    'query = f"SELECT {value}"; again = query; cursor.execute(again)',
    'if (query := f"SELECT {value}"): cursor.execute(query)',
    'parts = ["SELECT"]; parts.append(value); cursor.execute(" ".join(parts))',
    'for table in value: cursor.execute("TRUNCATE " + table)',
    'for table in value: cursor.execute(f"TRUNCATE {table}")',
    'await cursor.execute(f"SELECT {value}")',
    'with connection.cursor() as c: c.execute(f"SELECT {value}")',
    'cursor.copy(f"COPY {value} FROM STDIN")',
    'connection.cursor().copy("COPY %s TO STDOUT" % value)',
    'cursor.stream(f"SELECT {value}")',
    'run = cursor.execute; run(f"SELECT {value}")',
    "list(map(cursor.execute, value))",
    'schema_editor.execute(f"ALTER TABLE {value} ADD a int")',
    'cursor.execute(SQL(f"SELECT {value}"))',
    "cursor.execute(SQL(value))",
    'cursor.execute(sql.SQL("SELECT " + value).format(Identifier("a")))',
    'cursor.execute(SQL("SELECT {}").format(SQL(value)))',
    "from psycopg.sql import SQL as Text; cursor.execute(Text(value))",
    'cursor.execute(SQL("SELECT {}").format(Identifier(value)).as_string(None) + value)',
    "Risk.objects.raw(f\"SELECT * FROM risks_risk WHERE code = '{value}'\")",
    "Risk.objects.raw(\"SELECT * FROM risks_risk WHERE code = '%s'\" % value)",
    "Risk.objects.extra(where=[f\"code = '{value}'\"])",
    'Risk.objects.extra(select={"a": "SELECT " + value})',
    "Risk.objects.extra(order_by=[value])",
    'Risk.objects.annotate(a=RawSQL(f"SELECT {value}", []))',
    'migrations.RunSQL(f"DROP TABLE {value}")',
    'migrations.RunSQL("DROP TABLE {}".format(value))',
    'migrations.RunSQL([("SELECT %s", [1]), (f"SELECT {value}", None)])',
    'migrations.RunSQL("SELECT 1", reverse_sql="SELECT " + value)',
    'Func("a", template=f"%(function)s({value})")',
    'Func("a", function=value)',
    'class Near(Func):\n    template = "%(function)s(" + value + ")"',
)
HARMLESS = (
    'cursor.execute("SELECT * FROM t WHERE a = %s", [value])',
    'cursor.execute("SELECT * FROM t" " WHERE a = %(a)s", {"a": value})',
    'cursor.execute("SELECT 1 " + "UNION SELECT 2")',
    'cursor.execute("""SELECT 1""".strip())',
    'cursor.execute(b"SELECT 1")',
    'cursor.execute(query, [value])',
    'cursor.execute(f"SELECT {COLUMNS} FROM t")',
    'cursor.execute("SELECT " + COLUMNS + " FROM t")',
    'cursor.execute("SELECT 1" if flag else "SELECT 2")',
    'cursor.execute("SELECT a IN (" + ", ".join(["%s"] * len(value)) + ")", value)',
    'marks = ", ".join("%s" for _ in value); cursor.execute(f"SELECT a IN ({marks})", value)',
    'parts = ["SELECT"]; parts.append("1"); cursor.execute(" ".join(parts))',
    'for statement in ("SELECT 1", "SELECT 2"): cursor.execute(statement)',
    'for statement in BOTH: cursor.execute(statement)',
    'cursor.execute(SQL("SELECT {} FROM {}").format(Literal(value), Identifier(value)))',
    'cursor.execute(SQL(", ").join(Identifier(name) for name in value))',
    'q = SQL("SELECT {}").format(Identifier(value)); q += SQL(" FOR UPDATE"); cursor.execute(q)',
    'q = SQL("SELECT {}"); cursor.execute(q.format(value))',
    'cursor.execute(SQL("SELECT {}").format(Identifier(value)).as_string(connection))',
    'cursor.execute(SQL("{} ROLE a").format(SQL("ALTER" if flag else "CREATE")))',
    'cursor.execute(composed(value))',
    'cursor.copy("COPY t FROM STDIN")',
    'shutil.copy(value, f"{value}.bak")',
    'response.stream(value)',
    'Risk.objects.raw("SELECT * FROM risks_risk WHERE code = %s", [value])',
    'Risk.objects.extra(where=["code = %s"], params=[value])',
    'migrations.RunSQL("SELECT 1", reverse_sql=migrations.RunSQL.noop)',
    'migrations.RunSQL([("SELECT %s", [value])])',
    'Func("a", template="%(function)s(%(expressions)s)", function="near")',
    'render(value, template=f"{value}.html")',
    'cursor.execute(value)  # sql-reviewed: the console takes no parameters',
    '# sql-reviewed: the console takes no parameters\n    cursor.execute(value)',
)  # fmt: skip
FRAME = """
COLUMNS = "a, b"
query = "SELECT %s"
BOTH = ("SELECT 1", "SELECT 2")
def composed(name) -> SQL | Composed: ...
async def view(cursor, connection, value, flag, rows):
    {}
"""


def problems(line: str) -> list[str]:
    text = FRAME.format(line.replace("\nclass", "\n    class").replace("; ", "\n    "))
    if line.startswith("class"):
        text = line
    return [str(found) for found in scan_text(text.encode(), "apps/shop/views.py")]


@pytest.mark.parametrize("line", FORMATTED)
def test_a_formatted_statement_is_found(line: str) -> None:
    assert problems(line), line


@pytest.mark.parametrize("line", HARMLESS)
def test_a_written_or_composed_statement_is_left_alone(line: str) -> None:
    assert problems(line) == []


def test_a_parameter_declared_literal_moves_the_question_to_the_callers() -> None:
    text = "def _ask(cursor, question: LiteralString):\n    cursor.execute(question)\n"
    calls = '_ask(cursor, "SHOW STATS")\n_ask(cursor, question="SHOW CONFIG")\n'
    assert list(scan_text((text + calls).encode(), "a.py")) == []
    for call in ('_ask(cursor, f"SHOW {name}")\n', "_ask(cursor, question=name)\n"):
        (found,) = scan_text((text + call).encode(), "a.py")
        assert found.line == 3


def test_a_composed_field_or_parameter_is_what_its_annotation_says() -> None:
    text = (
        "class Step:\n    statement: SQL | Composed\n    shown: str\n"
        "def run(cursor, step, whole: Composable, text: str):\n"
        "    cursor.execute(step.statement)\n    cursor.execute(whole)\n"
    )
    assert list(scan_text(text.encode(), "a.py")) == []
    for wrong in ("step.shown", "text"):
        (found,) = scan_text((text + f"    cursor.execute({wrong})\n").encode(), "a.py")
        assert found.line == 7


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cursor.execute('SELECT 1')  # sql-reviewed: there was more here once", "excuses nothing"),
        ("cursor.execute(value)  # sql-reviewed:", "gives no reason"),
        ("cursor.execute(value)  # sql-reviewed", "gives no reason"),
        ('print("# sql-reviewed: this is text")\n    cursor.execute(value)', "does not stand here"),
    ],
)
def test_a_mark_must_excuse_something_and_say_why(line: str, words: str) -> None:
    (found,) = problems(line)
    assert words in found


def test_a_file_that_is_no_python_is_a_problem_and_no_traceback() -> None:
    for content in (b"def", b"\xff\xfe", b"a = '\x00'"):
        (found,) = scan_text(content, "apps/shop/views.py")
        assert "Python cannot read this file" in str(found)


def test_the_project_formats_no_statement() -> None:
    assert [str(found) for found in scan(BASE_DIR)] == []


def test_it_reads_the_apps_that_a_team_adds_and_every_migration(tmp_path: Path) -> None:
    added = tmp_path / "apps" / "shop" / "migrations" / "0002_rows.py"
    added.parent.mkdir(parents=True)
    added.write_text('migrations.RunSQL("DELETE FROM %s" % table)\n')
    (found,) = scan(tmp_path)
    assert (found.path, found.line) == ("apps/shop/migrations/0002_rows.py", 1)
    names = {path.relative_to(BASE_DIR).parts[0] for path in python_files(BASE_DIR)}
    assert names == set(PLACES)


def test_the_command_prints_where_and_fails(tmp_path: Path) -> None:
    file = tmp_path / "views.py"
    file.write_text('cursor.execute(f"SELECT {name}")\n')
    command = [sys.executable, "-m", "apps.database.formatted_sql"]
    answer = subprocess.run([*command, str(file)], cwd=BASE_DIR, capture_output=True, text=True)
    assert answer.returncode == 1
    assert "views.py:1: execute is given text that data was formatted into." in answer.stdout
    answer = subprocess.run([*command, "config"], cwd=BASE_DIR, capture_output=True, text=True)
    assert (answer.returncode, answer.stdout) == (0, "")
