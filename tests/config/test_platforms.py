"""Addresses as platforms give them: each needs a setting of its own, and the default stays."""

import pytest

from tests.config.addresses import CANARY, entry_of, refusal
from tests.config.test_settings import PRODUCTION, run

RAILWAY_INTERNAL = f"postgresql://postgres:{CANARY}@postgres.railway.internal:5432/railway"
RAILWAY_PROXY = f"postgresql://postgres:{CANARY}@viaduct.proxy.rlwy.net:24305/railway"
HEROKU = f"postgres://u4b1:{CANARY}@ec2-3-5-7-9.compute-1.amazonaws.com:5432/d8r1"
ALL = [RAILWAY_INTERNAL, RAILWAY_PROXY, HEROKU]
IN_PRODUCTION = {"ENVIRONMENT": "production"}


@pytest.mark.parametrize("given", ALL)
def test_by_default_every_platform_must_prove_its_server(given: str) -> None:
    options = entry_of(**IN_PRODUCTION, DATABASE_URL=given)["OPTIONS"]
    assert options["sslmode"] == "verify-full"
    assert options["sslrootcert"].startswith("/")


@pytest.mark.parametrize("given", [RAILWAY_PROXY, HEROKU])
def test_a_self_signed_server_is_accepted_in_so_many_words(given: str) -> None:
    settings = {"DATABASE_SSLMODE_MINIMUM": "require", "DATABASE_URL": given}
    entry = entry_of(**IN_PRODUCTION, **settings)
    assert entry["OPTIONS"]["sslmode"] == "require"
    assert entry["PASSWORD"] == CANARY
    assert "sslrootcert" not in entry["OPTIONS"]
    assert "require_auth" not in entry["OPTIONS"]


def test_one_host_without_tls_is_excepted_by_its_name() -> None:
    excepted = {**IN_PRODUCTION, "DATABASE_PLAINTEXT_HOST": "Postgres.railway.internal"}
    options = entry_of(**excepted, DATABASE_URL=RAILWAY_INTERNAL)["OPTIONS"]
    assert (options["sslmode"], options["require_auth"]) == ("disable", "scram-sha-256")
    for given in (RAILWAY_PROXY, HEROKU):
        options = entry_of(**excepted, DATABASE_URL=given)["OPTIONS"]
        assert options["sslmode"] == "verify-full"
        assert "require_auth" not in options
    for near in ("railway.internal", "postgres.railway.internal.example"):
        other = RAILWAY_INTERNAL.replace("postgres.railway.internal", near)
        assert entry_of(**excepted, DATABASE_URL=other)["OPTIONS"]["sslmode"] == "verify-full"
        assert "production expects at least" in refusal(
            **excepted, DATABASE_URL=f"{other}?sslmode=disable"
        )


@pytest.mark.parametrize("mode", ["disable", "allow", "prefer", "require"])
def test_what_the_address_says_itself_counts_for_the_excepted_host_too(mode: str) -> None:
    options = entry_of(
        **IN_PRODUCTION,
        DATABASE_PLAINTEXT_HOST="postgres.railway.internal",
        DATABASE_URL=f"{RAILWAY_INTERNAL}?sslmode={mode}",
    )["OPTIONS"]
    assert options["sslmode"] == mode
    assert ("require_auth" in options) is (mode != "require")


def test_the_exception_counts_for_every_role() -> None:
    options = entry_of(
        "owner",
        **IN_PRODUCTION,
        DATABASE_PLAINTEXT_HOST="postgres.railway.internal",
        DATABASE_OWNER_URL=RAILWAY_INTERNAL,
    )["OPTIONS"]
    assert options["sslmode"] == "disable"


@pytest.mark.parametrize(
    "host",
    ["database", "my_db", "10.1.2.3", "100.64.1.1", "fd12::1", "db.default.svc.cluster.local"],
)
def test_a_private_host_may_be_excepted(host: str) -> None:
    shown = f"[{host}]" if ":" in host else host
    url = f"postgresql://app:{CANARY}@{shown}/register"
    entry = entry_of(**IN_PRODUCTION, DATABASE_PLAINTEXT_HOST=host, DATABASE_URL=url)
    assert entry["OPTIONS"]["sslmode"] == "disable"


@pytest.mark.parametrize(
    "host",
    [
        *("viaduct.proxy.rlwy.net", "db.example", "8.8.8.8", "2001:db8::1", "::ffff:8.8.8.8"),
        *("0.0.0.0", "::", "0x8080808", "134744072", "169.254.169.254", "internal.example"),
    ],
)
def test_a_host_of_the_internet_is_never_excepted(host: str) -> None:
    message = refusal(**IN_PRODUCTION, DATABASE_PLAINTEXT_HOST=host, DATABASE_URL=HEROKU)
    assert message.startswith(f"DATABASE_PLAINTEXT_HOST is {host!r}, which may be reached over the")
    assert "see docs/tls.md" in message


@pytest.mark.parametrize(
    "hosts",
    [
        *("db,other", "db other", "*", "*.internal", "db.internal:5432", "10.0.0.0/8"),
        "postgres://db.internal",
    ],
)
def test_the_exception_is_exactly_one_host(hosts: str) -> None:
    message = refusal(**IN_PRODUCTION, DATABASE_PLAINTEXT_HOST=hosts, DATABASE_URL=HEROKU)
    assert "expected exactly one host name or IP address" in message


@pytest.mark.parametrize("word", ["true", "on", "yes"])
def test_a_word_that_turns_things_on_elsewhere_is_a_host_name_here(word: str) -> None:
    entry = entry_of(**IN_PRODUCTION, DATABASE_PLAINTEXT_HOST=word, DATABASE_URL=RAILWAY_INTERNAL)
    assert entry["OPTIONS"]["sslmode"] == "verify-full"


def test_every_command_warns_while_a_host_is_excepted() -> None:
    excepted = {
        "DATABASE_URL": RAILWAY_INTERNAL,
        "DATABASE_OWNER_URL": RAILWAY_INTERNAL,
        "DATABASE_PLAINTEXT_HOST": "postgres.railway.internal",
    }
    answer = run("manage.py", "check", **{**PRODUCTION, **excepted})
    assert answer.returncode == 0
    assert (
        "(database.W001) DATABASE_URL, DATABASE_OWNER_URL may lead to postgres.railway.internal "
        "in clear text, because DATABASE_PLAINTEXT_HOST excepts it." in answer.stderr
    )
    excepted["DATABASE_URL"] = excepted["DATABASE_OWNER_URL"] = RAILWAY_PROXY
    assert run("manage.py", "check", **{**PRODUCTION, **excepted}).stderr == ""
