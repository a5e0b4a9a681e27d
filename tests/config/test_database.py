"""Parts, TLS, pooling and time-outs of a DATABASES entry."""

from pathlib import Path

import pytest

from config.database import pool_mode
from config.env import ConfigurationError, Environment
from tests.config.addresses import CANARY, HOST, address, entry_of, refusal
from tests.programs import require_program

PARTS = {
    "DATABASE_HOST": HOST,
    "DATABASE_PORT": "5433",
    "DATABASE_NAME": "register",
    "DATABASE_USER": "app",
    "DATABASE_PASSWORD": CANARY,
}
NOWHERE = "/nowhere/authority.crt"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of certificate authorities: the system's own, of which one is enough."""
    require_program("openssl", "openssl")
    source = Path("/etc/ssl/certs/ca-certificates.crt").read_text()
    end = "-----END CERTIFICATE-----\n"
    path = tmp_path_factory.mktemp("authority") / "authority.crt"
    path.write_text(source[: source.index(end) + len(end)])
    return path


def in_production(query: str = "", **variables: str) -> dict[str, str]:
    return {"ENVIRONMENT": "production", "DATABASE_URL": address(query), **variables}


def test_parts_make_the_entry_that_an_address_makes() -> None:
    from_address = entry_of(DATABASE_URL=address(host=f"{HOST}:5433"))
    from_parts = entry_of(**PARTS)
    for key in ("ENGINE", "HOST", "PORT", "NAME", "USER", "PASSWORD", "OPTIONS", "CONN_MAX_AGE"):
        assert from_parts[key] == from_address[key]


@pytest.mark.parametrize("part", [*PARTS, "DATABASE_SSLMODE", "DATABASE_SSLROOTCERT"])
def test_an_address_beside_one_of_its_parts_is_refused(part: str) -> None:
    message = refusal(DATABASE_URL=address(), **{part: PARTS.get(part, "verify-full")})
    expected = f"DATABASE_URL and {part} are both set; expected the address or its parts."
    assert message == expected


@pytest.mark.parametrize("port", ["0", "65536", "5432x", "-1"])
def test_a_port_that_is_none_names_its_variable(port: str) -> None:
    assert refusal(**{**PARTS, "DATABASE_PORT": port}).startswith("DATABASE_PORT is ")


@pytest.mark.parametrize(
    ("part", "value", "reason"),
    [
        ("DATABASE_HOST", "one.example,two.example", "the host is not one host name"),
        ("DATABASE_HOST", "db.example hostaddr=10.0.0.1", "the host is not one host name"),
        ("DATABASE_NAME", "register host=evil.example", "the database name may not hold '='"),
        ("DATABASE_NAME", "postgresql://evil.example", "the database name may not hold '='"),
        ("DATABASE_NAME", "reg\nister", "the database name may not hold '='"),
    ],
)
def test_a_hostile_part_names_its_variable(part: str, value: str, reason: str) -> None:
    assert refusal(**{**PARTS, part: value}).startswith(f"{part}: {reason}")


def test_the_password_comes_from_a_file_without_its_line_end(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text(f"{CANARY} \n")
    parts = {**PARTS, "DATABASE_PASSWORD": "", "DATABASE_PASSWORD_FILE": str(path)}
    assert entry_of(**parts)["PASSWORD"] == f"{CANARY} "


def test_a_password_and_its_file_exclude_each_other(tmp_path: Path) -> None:
    message = refusal(**PARTS, DATABASE_PASSWORD_FILE=str(tmp_path))
    assert message.startswith("DATABASE_PASSWORD and DATABASE_PASSWORD_FILE are both set")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, " cannot be read: No such file or directory."),
        (f"{CANARY}\xff".encode("latin-1"), " cannot be read: not UTF-8 text."),
        (b"\n", ": the file is empty"),
        (f"{CANARY}\n{CANARY}\n".encode(), ": the file holds a control character"),
        (f"{CANARY}\x00".encode(), ": the file holds a control character"),
    ],
)
def test_a_bad_password_file_is_refused(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "password"
    if content is not None:
        path.write_bytes(content)
    parts = {**PARTS, "DATABASE_PASSWORD": "", "DATABASE_PASSWORD_FILE": str(path)}
    assert refusal(**parts).startswith(f"DATABASE_PASSWORD_FILE{reason}")


@pytest.mark.parametrize(
    ("url", "missing"),
    [
        (f"postgresql://app:{CANARY}@/register", "host"),
        (f"postgresql://app:{CANARY}@{HOST}/", "database name"),
        (f"postgresql://app:{CANARY}@{HOST}", "database name"),
        (f"postgresql://:{CANARY}@{HOST}/register", "user"),
    ],
)
def test_production_needs_host_name_and_user_in_an_address(url: str, missing: str) -> None:
    message = refusal(ENVIRONMENT="production", DATABASE_URL=url)
    assert message == f"DATABASE_URL: the {missing} is missing; production needs it."


@pytest.mark.parametrize("part", ["DATABASE_HOST", "DATABASE_NAME", "DATABASE_USER"])
def test_production_names_the_missing_part(part: str) -> None:
    message = refusal(**{**PARTS, "ENVIRONMENT": "", part: ""})
    assert message.startswith(f"{part}: the ")
    assert entry_of(**{**PARTS, part: ""}) is not None


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require", "verify-ca"])
def test_production_refuses_less_than_full_verification(mode: str) -> None:
    message = refusal(**in_production(f"?sslmode={mode}"))
    assert message == (
        f"DATABASE_URL: sslmode is {mode!r}; production expects at least 'verify-full'. "
        "Use sslmode=verify-full, or set DATABASE_SSLMODE_MINIMUM=require (or verify-ca) to "
        "accept less in so many words."
    )


@pytest.mark.parametrize("query", ["", "?sslmode=verify-full", "?sslrootcert=system"])
def test_production_verifies_fully_unless_told_otherwise(query: str, authority: Path) -> None:
    options = entry_of(**in_production(query))["OPTIONS"]
    assert options["sslmode"] == "verify-full"
    assert Path(options["sslrootcert"]).is_file()


@pytest.mark.parametrize(
    ("minimum", "mode", "accepted"),
    [
        ("require", "prefer", False),
        ("require", "require", True),
        ("require", "verify-full", True),
        ("verify-ca", "require", False),
        ("verify-ca", "verify-ca", True),
    ],
)
def test_a_lower_minimum_is_an_explicit_choice(
    minimum: str, mode: str, accepted: bool, authority: Path
) -> None:
    query = f"?sslmode={mode}&sslrootcert={authority}"
    variables = in_production(query, DATABASE_SSLMODE_MINIMUM=minimum)
    if accepted:
        assert entry_of(**variables)["OPTIONS"]["sslmode"] == mode
    else:
        assert f"production expects at least {minimum!r}" in refusal(**variables)


def test_an_address_without_a_mode_gets_the_minimum() -> None:
    options = entry_of(**in_production(DATABASE_SSLMODE_MINIMUM="require"))["OPTIONS"]
    assert options["sslmode"] == "require"
    assert "sslrootcert" not in options


@pytest.mark.parametrize("word", ["required", "REQUIRE", "none", "disable", "prefer", "allow"])
@pytest.mark.parametrize("environment", ["production", "development"])
def test_a_wrong_minimum_stops_in_every_environment(word: str, environment: str) -> None:
    variables = in_production(DATABASE_SSLMODE_MINIMUM=word, ENVIRONMENT=environment)
    expected = f"DATABASE_SSLMODE_MINIMUM is {word!r}; expected verify-full, verify-ca or require."
    assert refusal(**variables) == expected


@pytest.mark.parametrize("environment", ["production", "development"])
@pytest.mark.parametrize("mode", ["REQUIRE", "Verify-Full", "verify_full", "on"])
def test_a_misspelt_mode_stops_in_every_environment(mode: str, environment: str) -> None:
    variables = in_production(f"?sslmode={mode}", ENVIRONMENT=environment)
    assert refusal(**variables).startswith(f"DATABASE_URL: sslmode is {mode!r}; expected disable, ")


def test_parts_name_the_variable_of_the_mode() -> None:
    parts = {**PARTS, "ENVIRONMENT": "production", "DATABASE_SSLMODE": "require"}
    assert refusal(**parts).startswith("DATABASE_SSLMODE: sslmode is 'require'; production")
    parts = {**PARTS, "DATABASE_SSLMODE": "verify-ca", "DATABASE_SSLROOTCERT": NOWHERE}
    expected = f"DATABASE_SSLROOTCERT: sslrootcert {NOWHERE!r}: No such file or directory."
    assert refusal(**parts) == expected


@pytest.mark.parametrize("mode", ["verify-full", "verify-ca", "require", "prefer"])
def test_a_missing_authority_file_is_named_before_it_is_needed(mode: str) -> None:
    message = refusal(DATABASE_URL=address(f"?sslmode={mode}&sslrootcert={NOWHERE}"))
    assert message == f"DATABASE_URL: sslrootcert {NOWHERE!r}: No such file or directory."


@pytest.mark.parametrize("content", ["", "no certificate\n", "-----BEGIN CERTIFICATE-----\n"])
def test_a_file_without_a_certificate_is_named(tmp_path: Path, content: str) -> None:
    path = tmp_path / "authority.crt"
    path.write_text(content)
    message = refusal(DATABASE_URL=address(f"?sslmode=verify-full&sslrootcert={path}"))
    assert message == (
        f"DATABASE_URL: sslrootcert {str(path)!r}: it holds no certificate in PEM form."
    )


def test_the_system_authorities_become_a_file_whatever_the_process_says(
    authority: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    query = "?sslmode=verify-full&sslrootcert=system"
    path = Path(entry_of(DATABASE_URL=address(query))["OPTIONS"]["sslrootcert"])
    assert path.is_absolute()
    assert "BEGIN CERTIFICATE" in path.read_text()


@pytest.mark.parametrize("query", ["?sslmode=verify-ca", "?sslmode=verify-ca&sslrootcert=system"])
def test_verify_ca_needs_a_private_authority(query: str) -> None:
    message = refusal(DATABASE_URL=address(query))
    assert message.startswith("DATABASE_URL: sslmode=verify-ca needs sslrootcert=FILE")


@pytest.mark.parametrize("mode", ["require", "prefer", "disable"])
def test_the_system_authorities_with_a_weak_mode_are_refused(mode: str) -> None:
    message = refusal(DATABASE_URL=address(f"?sslmode={mode}&sslrootcert=system"))
    assert message.startswith(f"DATABASE_URL: sslmode={mode} needs sslrootcert=FILE")


def test_a_socket_needs_no_tls_in_production() -> None:
    variables = {"ENVIRONMENT": "production", "DATABASE_URL": address(host="%2Frun%2FPg")}
    options = entry_of(**variables)["OPTIONS"]
    assert {"sslmode", "sslrootcert"} & set(options) == set()


def test_persistent_connections_are_checked_and_live_as_long_as_told() -> None:
    entry = entry_of(DATABASE_URL=address())
    assert (entry["CONN_MAX_AGE"], entry["CONN_HEALTH_CHECKS"]) == (60, True)
    assert "pool" not in entry["OPTIONS"]
    assert entry_of(DATABASE_URL=address(), DATABASE_CONN_MAX_AGE="7")["CONN_MAX_AGE"] == 7


def test_the_native_pool_never_meets_persistent_connections() -> None:
    entry = entry_of(
        DATABASE_URL=address(),
        DATABASE_POOL="native",
        DATABASE_POOL_SIZE="4",
        DATABASE_POOL_MAX_OVERFLOW="2",
        DATABASE_POOL_TIMEOUT="5",
    )
    pool = entry["OPTIONS"]["pool"]
    assert entry["CONN_MAX_AGE"] == 0
    assert (pool["min_size"], pool["max_size"], pool["timeout"]) == (1, 6, 5)
    assert pool["max_waiting"] == 0
    assert {"check", "configure", "kwargs", "open"} & set(pool) == set()


def test_the_pool_has_the_contracts_defaults() -> None:
    pool = entry_of(DATABASE_URL=address(), DATABASE_POOL="native")["OPTIONS"]["pool"]
    assert pool["max_size"] == 15


@pytest.mark.parametrize("mode", ["native", "pgbouncer"])
def test_a_pool_and_persistent_connections_stop_the_start(mode: str) -> None:
    env = Environment({"DATABASE_POOL": mode, "DATABASE_CONN_MAX_AGE": "0"})
    with pytest.raises(ConfigurationError) as refused:
        pool_mode(env)
    assert str(refused.value) == (
        f"DATABASE_POOL is {mode!r} and DATABASE_CONN_MAX_AGE is set; pools and persistent "
        "connections exclude each other. Remove DATABASE_CONN_MAX_AGE."
    )


@pytest.mark.parametrize("word", ["Native", "pool", "pg_bouncer", "none"])
def test_an_unknown_pooling_mode_stops(word: str) -> None:
    message = refusal(DATABASE_URL=address(), DATABASE_POOL=word)
    assert message == f"DATABASE_POOL is {word!r}; expected persistent, native or pgbouncer."


def test_behind_pgbouncer_nothing_depends_on_the_server_session() -> None:
    entry = entry_of(DATABASE_URL=address(), DATABASE_POOL="pgbouncer")
    assert entry["DISABLE_SERVER_SIDE_CURSORS"] is True
    assert entry["CONN_MAX_AGE"] == 0
    assert entry["OPTIONS"]["prepare_threshold"] is None
    assert "options" not in entry["OPTIONS"]


@pytest.mark.parametrize("role", ["owner", "auditor", "admin"])
@pytest.mark.parametrize("mode", ["native", "pgbouncer"])
def test_only_app_is_pooled(role: str, mode: str) -> None:
    variables = {f"DATABASE_{role.upper()}_URL": address(), "DATABASE_POOL": mode}
    entry = entry_of(role, **variables)
    assert entry["CONN_MAX_AGE"] == 0
    assert entry.get("DISABLE_SERVER_SIDE_CURSORS", False) is False
    assert "pool" not in entry["OPTIONS"]
    assert "lock_timeout" in entry["OPTIONS"]["options"]


@pytest.mark.parametrize(
    ("role", "statement"), [("app", 9000), ("auditor", 9000), ("owner", 0), ("admin", 0)]
)
def test_time_outs_are_in_milliseconds_and_migrations_may_take_long(
    role: str, statement: int
) -> None:
    prefix = "DATABASE" if role == "app" else f"DATABASE_{role.upper()}"
    entry = entry_of(
        role,
        DATABASE_STATEMENT_TIMEOUT="9",
        DATABASE_LOCK_TIMEOUT="2",
        DATABASE_IDLE_TIMEOUT="70",
        DATABASE_CONNECT_TIMEOUT="4",
        **{f"{prefix}_URL": address()},
    )
    assert entry["OPTIONS"]["options"] == (
        f"-c statement_timeout={statement} -c lock_timeout=2000 "
        "-c idle_in_transaction_session_timeout=70000 -c TimeZone=UTC"
    )
    assert entry["OPTIONS"]["connect_timeout"] == 4
    assert entry["OPTIONS"]["application_name"] == f"holdfast-{role}"
