"""A typo stops the start and names the variable; a secret never stands in the message."""

import os
from pathlib import Path

import pytest
from psycopg import pq

from config import env as module
from config.env import (
    ConfigurationError,
    Environment,
    become_web_process,
    libpq_variables,
    load_environment,
    one_sentence,
    read_env_file,
)
from config.variables import LIBPQ_FORGOTTEN, LIBPQ_REFUSED, VARIABLES

CANARY = "Canary-S3cr3t-0"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in place of the project's, and a process without our variables."""
    monkeypatch.setattr(module, "BASE_DIR", tmp_path)
    monkeypatch.setattr(module, "_forgotten", frozenset())
    for variable in VARIABLES:
        monkeypatch.delenv(variable.name, raising=False)
    return tmp_path


def refusal_of_file(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigurationError) as refusal:
        read_env_file(path)
    return str(refusal.value)


@pytest.mark.parametrize("word", ["true", "TRUE", "Yes", "on", "1"])
def test_a_true_word_is_true(word: str) -> None:
    assert Environment({"DEBUG": word}).boolean("DEBUG") is True


@pytest.mark.parametrize("word", ["false", "False", "no", "OFF", "0", "", "  "])
def test_a_false_word_or_nothing_is_false(word: str) -> None:
    assert Environment({"DEBUG": word}).boolean("DEBUG") is False


@pytest.mark.parametrize("word", ["ture", "enable", "y", "2", "-1", "true,", "None"])
def test_any_other_word_stops_and_names_the_variable(word: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Environment({"TLS_PROXY": word}).boolean("TLS_PROXY")
    assert str(refusal.value).startswith(f"TLS_PROXY is {word!r}; expected true or false")


@pytest.mark.parametrize("word", ["5s", "1.0", "-5", "+5", "1e3", "0x10", "٣", "1 0", "9" * 11])
def test_what_is_no_whole_number_stops(word: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Environment({"PORT": word}).integer("PORT", minimum=1, maximum=65535)
    expected = f"PORT is {word!r}; expected a whole number from 1 to 65535."
    assert str(refusal.value) == expected


@pytest.mark.parametrize("number", ["0", "65536"])
def test_a_number_out_of_range_stops(number: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^PORT is {number}; expected 1 to 65535.$"):
        Environment({"PORT": number}).integer("PORT", minimum=1, maximum=65535)


@pytest.mark.parametrize("number", ["1", "65535", " 8000 "])
def test_a_number_at_the_ends_of_its_range_is_taken(number: str) -> None:
    assert Environment({"PORT": number}).integer("PORT", minimum=1, maximum=65535) == int(number)


@pytest.mark.parametrize("word", ["prod", "Production", "dev", "productoin"])
def test_an_unknown_environment_stops_and_lists_the_choices(word: str) -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Environment({"ENVIRONMENT": word}).production  # noqa: B018
    expected = f"ENVIRONMENT is {word!r}; expected production, development or test."
    assert str(refusal.value) == expected


def test_a_missing_environment_means_production() -> None:
    assert Environment({}).production
    assert Environment({"ENVIRONMENT": " "}).production
    assert not Environment({"ENVIRONMENT": "development"}).production


def test_a_secret_of_the_wrong_form_is_not_shown() -> None:
    env = Environment({"SECRET_KEY": CANARY})
    for read in (
        lambda: env.boolean("SECRET_KEY"),
        lambda: env.integer("SECRET_KEY", minimum=1, maximum=2),
        lambda: env.choice("SECRET_KEY", ("a", "b")),
    ):
        with pytest.raises(ConfigurationError, match="^SECRET_KEY is not valid; ") as refusal:
            read()
        assert CANARY not in str(refusal.value)


def test_the_text_form_of_an_environment_shows_no_value() -> None:
    assert CANARY not in repr(Environment({"SECRET_KEY": CANARY}))


def test_a_required_variable_says_what_to_do() -> None:
    with pytest.raises(ConfigurationError, match="^SECRET_KEY is not set. Generate one.$"):
        Environment({"SECRET_KEY": "  "}).required("SECRET_KEY", "Generate one.")


def test_a_nul_character_stops_without_the_value() -> None:
    with pytest.raises(ConfigurationError) as refusal:
        Environment({"DATABASE_PASSWORD": f"{CANARY}\x00"}).text("DATABASE_PASSWORD")
    assert str(refusal.value) == "DATABASE_PASSWORD holds a NUL character."


def test_bytes_that_are_no_text_stop_without_the_value() -> None:
    value = os.fsdecode(CANARY.encode() + b"\xff")
    with pytest.raises(ConfigurationError) as refusal:
        Environment({"DATABASE_PASSWORD": value}).text("DATABASE_PASSWORD")
    assert str(refusal.value) == "DATABASE_PASSWORD is not UTF-8 text."


def test_a_list_drops_spaces_and_empty_items() -> None:
    assert Environment({"ALLOWED_HOSTS": " a.example, ,b.example,"}).listing("ALLOWED_HOSTS") == [
        "a.example",
        "b.example",
    ]


def test_reading_a_variable_that_is_not_declared_is_an_error_of_the_programmer() -> None:
    with pytest.raises(KeyError):
        Environment({"HOME": "/root"}).text("HOME")


def test_every_variable_is_declared_once_and_explained() -> None:
    names = [variable.name for variable in VARIABLES]
    assert len(names) == len(set(names))
    assert all(variable.help.endswith(".") for variable in VARIABLES)
    assert [variable.name for variable in VARIABLES if variable.secret and variable.default] == []


def test_a_missing_file_holds_nothing(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env") == {}


def test_quotes_comments_export_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_bytes(
        "\ufeff# a comment\r\n"
        "\r\n"
        "  # an indented comment\r\n"
        "export ENVIRONMENT=test\r\n"
        "SECRET_KEY='plain#b $c'\r\n"
        'BACKUP_DIR="my backups" \r\n'
        "DATABASE_URL=postgresql://u:p@h/d?sslmode=require\r\n"
        "PORT=\r\n".encode()
    )
    assert read_env_file(path) == {
        "ENVIRONMENT": "test",
        "SECRET_KEY": "plain#b $c",
        "BACKUP_DIR": "my backups",
        "DATABASE_URL": "postgresql://u:p@h/d?sslmode=require",
        "PORT": "",
    }


@pytest.mark.parametrize(
    "line",
    [
        f"SECRET_KEY = {CANARY}",
        f"SECRET_KEY= {CANARY}",
        f" SECRET_KEY={CANARY}",
        f"SECRET_KEY: {CANARY}",
        f"secret_key={CANARY}",
        f"set SECRET_KEY={CANARY}",
        CANARY,
    ],
)
def test_a_line_of_another_form_stops_with_its_number_and_without_its_text(
    tmp_path: Path, line: str
) -> None:
    message = refusal_of_file(tmp_path / ".env", f"ENVIRONMENT=test\n{line}\n")
    assert message.startswith(".env, line 2: expected NAME=value")
    assert CANARY not in message


@pytest.mark.parametrize(
    ("line", "near"),
    [
        (f"DATABSE_URL={CANARY}", "DATABASE_URL"),
        ("ALLOWED_HOST=a.example", "ALLOWED_HOSTS"),
        ("DATABASE_SSL_MODE_MINIMUM=require", "DATABASE_SSLMODE_MINIMUM"),
    ],
)
def test_an_unknown_name_stops_and_the_near_one_is_offered(
    tmp_path: Path, line: str, near: str
) -> None:
    name = line.partition("=")[0]
    expected = f".env, line 1: {name} is not a known variable. Did you mean {near}?"
    assert refusal_of_file(tmp_path / ".env", line) == expected


def test_an_unknown_name_like_no_other_points_to_the_list(tmp_path: Path) -> None:
    message = refusal_of_file(tmp_path / ".env", "XYZZY=1")
    assert message == (
        ".env, line 1: XYZZY is not a known variable. config/variables.py declares the known ones."
    )


def test_a_name_that_stands_twice_stops(tmp_path: Path) -> None:
    content = "DATABASE_SSLMODE_MINIMUM=verify-full\nDATABASE_SSLMODE_MINIMUM=require\n"
    message = refusal_of_file(tmp_path / ".env", content)
    assert message.startswith(".env, line 2: DATABASE_SSLMODE_MINIMUM stands twice")


@pytest.mark.parametrize("value", [f"'{CANARY}", f'"{CANARY}', f"'{CANARY}\"", '"'])
def test_an_open_quotation_mark_stops_without_the_value(tmp_path: Path, value: str) -> None:
    message = refusal_of_file(tmp_path / ".env", f"SECRET_KEY={value}")
    assert message == ".env, line 1: the quotation mark before SECRET_KEY's value never closes."


def test_a_file_that_is_no_text_stops(tmp_path: Path) -> None:
    message = refusal_of_file(tmp_path / ".env", f"SECRET_KEY={CANARY}\xff".encode("latin-1"))
    assert message == ".env cannot be read: not UTF-8 text."


def test_a_folder_in_place_of_the_file_stops(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    with pytest.raises(ConfigurationError, match="^.env cannot be read: Is a directory.$"):
        read_env_file(tmp_path / ".env")


def test_nothing_of_a_file_reaches_a_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """django-environ logs whole lines that it cannot read."""
    caplog.set_level("DEBUG")
    (tmp_path / ".env").write_text(f"  # SECRET_KEY={CANARY}\n\t\nSECRET_KEY={CANARY}\n")
    assert read_env_file(tmp_path / ".env") == {"SECRET_KEY": CANARY}
    assert CANARY not in caplog.text


def test_the_process_goes_before_the_file(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / ".env").write_text("PORT=8001\nWEB_THREADS=7\n")
    monkeypatch.setenv("PORT", "8002")
    env = load_environment()
    assert (env.text("PORT"), env.text("WEB_THREADS")) == ("8002", "7")


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("ENVIROMENT", "ENVIRONMENT"),
        ("DATABASE_ULR", "DATABASE_URL"),
        ("DATABASE_URLS", "DATABASE_URL"),
        ("DATBASE_URL", "DATABASE_URL"),
        ("ALLOWED_HOST", "ALLOWED_HOSTS"),
        ("SECRET-KEY", "SECRET_KEY"),
        ("DATABASE_SSLMODE_MINIMAM", "DATABASE_SSLMODE_MINIMUM"),
    ],
)
def test_a_process_variable_that_is_nearly_ours_stops(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str, meant: str
) -> None:
    monkeypatch.setenv(name, CANARY)
    with pytest.raises(ConfigurationError) as refusal:
        load_environment()
    assert str(refusal.value) == f"{name} is not a known variable. Did you mean {meant}?"


@pytest.mark.parametrize(
    "name",
    ["LOGLEVEL", "DEBUGGER", "PORTS", "DATABASE_PUBLIC_URL", "DATABASE_SERVICE_HOST", "PGHOST"],
)
def test_variables_of_other_programs_pass(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "1")
    assert load_environment().production


def test_a_web_process_knows_the_address_of_app_only_and_no_key_of_the_backups(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / ".env").write_text(
        f"DATABASE_URL=postgresql://app@h/d\nDATABASE_OWNER_URL=postgresql://o:{CANARY}@h/d\n"
        f"DATABASE_AUDITOR_PASSWORD={CANARY}\n"
        f"BACKUP_S3_BUCKET=kept\nBACKUP_S3_SECRET={CANARY}\nBACKUP_AGE_IDENTITY={CANARY}\n"
        "BACKUP_AGE_IDENTITY_FILE=key\n"
    )
    monkeypatch.setenv("DATABASE_ADMIN_URL", f"postgresql://a:{CANARY}@h/d")
    monkeypatch.setenv("ASSESS_DATABASE_URL", f"postgresql://a:{CANARY}@h/d")
    become_web_process()
    env = load_environment()
    assert env.is_set("DATABASE_URL")
    assert env.is_set("BACKUP_S3_BUCKET")
    assert not env.is_set("BACKUP_AGE_IDENTITY_FILE")
    assert CANARY not in "".join([*env.values.values(), *os.environ.values()])
    for name in ("DATABASE_OWNER_URL", "DATABASE_AUDITOR_PASSWORD", "DATABASE_ADMIN_URL"):
        assert not env.is_set(name)


def test_a_configuration_error_ends_the_process_with_one_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end, one_sentence():
        raise ConfigurationError("PORT is 'x'; expected a whole number.")
    assert end.value.code == 3
    assert capsys.readouterr().err == "Configuration: PORT is 'x'; expected a whole number.\n"


def test_another_error_passes_as_it_is() -> None:
    with pytest.raises(ValueError, match="^a defect$"), one_sentence():
        raise ValueError("a defect")


def libpq_names() -> set[str]:
    """The variables that this machine's libpq reads for a connection, as it says itself."""
    return {o.envvar.decode() for o in pq.Conninfo.get_defaults() if o.envvar}


def test_every_variable_of_libpq_is_forgotten_or_refused() -> None:
    assert libpq_names() - {*LIBPQ_FORGOTTEN, *LIBPQ_REFUSED} == set()
    assert set(LIBPQ_FORGOTTEN) & set(LIBPQ_REFUSED) == set()


@pytest.mark.parametrize("name", LIBPQ_REFUSED)
def test_a_variable_that_would_add_to_an_address_stops_the_start(
    project: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, CANARY)
    with pytest.raises(ConfigurationError, match=f"^{name} is set, which PostgreSQL's") as refused:
        load_environment()
    assert CANARY not in str(refused.value)
    assert str(refused.value).endswith(f"Remove it: unset {name}")


def test_variables_that_an_address_overrides_are_forgotten(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in LIBPQ_FORGOTTEN:
        monkeypatch.setenv(name, CANARY)
    load_environment()
    assert libpq_variables() == []
    # Not only Python's copy: libpq itself sees nothing, either.
    values = {o.keyword: o.val for o in pq.Conninfo.get_defaults()}
    assert CANARY.encode() not in values.values()


def test_secrets_are_known_from_their_variables_and_from_the_files_that_stand_for_them(
    tmp_path: Path,
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("# made by hand\nplain-one\n\nplain-two\n")
    env = Environment({"SECRET_KEY": "plain-key", "BACKUP_AGE_IDENTITY_FILE": str(keys)})
    assert env.secret_values() == ["plain-key", "plain-one", "plain-two"]
