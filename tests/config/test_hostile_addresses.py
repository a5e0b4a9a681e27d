"""An address with anything beyond the allow-list is refused, by name and without being shown."""

import pytest

from config.database import database_entry
from config.env import ConfigurationError, Environment
from tests.config.addresses import CANARY, address, entry_of, refusal

NOT_ALLOWED = "the option {!r} is not allowed; expected only sslmode, sslrootcert, channel_binding."
NO_ADDRESS = "not a valid address; expected postgresql://USER:PASSWORD@HOST:PORT/NAME"
SCHEME = "the scheme is {}; expected postgres:// or postgresql://."
HOST = "the host is not one host name, IP address or socket folder."
NAME = (
    "the database name may not hold '=', '/' or '\\', start with '-', or be longer than 63 bytes."
)
UNSEEN = "holds a space or a control character; percent-encode it."
DECODED = "percent-encoding decodes to a control character or to no UTF-8 text."
HEXADECIMAL = "a '%' is not followed by two hexadecimal digits; a literal one is %25."
OPTIONS = (
    *("options", "service", "servicefile", "passfile", "sslcert", "sslkey", "sslpassword"),
    *("sslcrl", "host", "hostaddr", "port", "dbname", "user", "password", "pool", "assume_role"),
    *("conn_max_age", "CONN_MAX_AGE", "ATOMIC_REQUESTS", "application_name", "client_encoding"),
    *("target_session_attrs", "gssencmode", "krbsrvname", "require_auth", "currentSchema"),
    *("isolation_level", "server_side_binding", "prepare_threshold", "ssl_min_protocol_version"),
    *("fallback_application_name", "load_balance_hosts", "SSLMODE", "ssl-ca", "replication"),
)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_beyond_the_list_is_refused_by_its_name(option: str) -> None:
    for query in (f"?{option}={CANARY}", f"?sslmode=verify-full&{option}={CANARY}"):
        message = refusal(DATABASE_URL=address(query))
        assert message == f"DATABASE_URL: {NOT_ALLOWED.format(option)}"


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (address("?opt%69ons=-c%20search_path%3Devil"), NOT_ALLOWED.format("options")),
        (address("?options"), NOT_ALLOWED.format("options")),
        (address(f"?{CANARY}=1"), "the option no single word is not allowed"),
        (address("?sslmode=require&sslmode=disable"), "the option 'sslmode' stands twice."),
        (address("?sslmode=require&sslm%6fde=disable"), "the option 'sslmode' stands twice."),
        (address("?sslmode="), "the option 'sslmode' has no value."),
        (address("?sslmode"), "the option 'sslmode' has no value."),
        (address(f"?sslmode=require;password={CANARY}"), "sslmode is no single word; expected dis"),
        (address("?sslmode=require;options=x"), "sslmode is no single word; expected disable"),
        (address("?sslmode=require+"), "sslmode is no single word; expected disable"),
        (address("?sslmode=required"), "sslmode is 'required'; expected disable, allow, prefer"),
        (address("?channel_binding=always"), "channel_binding is 'always'; expected disable, pre"),
        (address("#sslmode=require"), "a '#' starts a part that would be ignored"),
        (address("?sslmode=require#"), "a '#' starts a part that would be ignored"),
        (f"postgresql://app:{CANARY}#1@db.example/register", "a '#' starts a part"),
        (f"postgresql://app:{CANARY}/1@db.example/register", NO_ADDRESS),
        (f"postgresql://app:{CANARY}?1@db.example/register", NO_ADDRESS),
        (f"postgresql://app:1?sslmode={CANARY}@db.example/register", NO_ADDRESS),
        (f"postgresql://app:{CANARY}@db.example:port/register", NO_ADDRESS),
        (f"postgresql://app:{CANARY}@db.example:99999/register", NO_ADDRESS),
        (f"postgresql://app:{CANARY}@[::1/register", NO_ADDRESS),
        (f"postgresql://app:{CANARY}\N{CARE OF}@db.example/register", NO_ADDRESS),
        (address(host="one.example,two.example"), HOST),
        (address(host="one.example:5432,two.example:5432"), NO_ADDRESS),
        (address(host="one.example%2Ctwo.example"), HOST),
        (address(host="one.example%20hostaddr=10.0.0.1"), HOST),
        (address(host="@abstract"), NO_ADDRESS),
        (address(host="b%C3%BCcher.example"), HOST),
        (address(name="register%20host%3Devil.example"), NAME),
        (address(name="postgresql:%2F%2Fevil.example"), NAME),
        (address(name="register/public"), NAME),
        (address(name="-d"), NAME),
        (address(name="a" * 64), NAME),
        (address(name="back%5Cslash"), NAME),
        (f"mysql://app:{CANARY}@db.example/register", SCHEME.format("mysql://")),
        (f"sqlite:///{CANARY}.db", SCHEME.format("sqlite://")),
        ("sqlite://:memory:", SCHEME.format("sqlite://")),
        (f"postgis://app:{CANARY}@db.example/register", SCHEME.format("postgis://")),
        (f"redshift://app:{CANARY}@db.example/register", SCHEME.format("redshift://")),
        (f"https://app:{CANARY}@db.example/register", SCHEME.format("https://")),
        (f"{CANARY}:x@db.example/register", SCHEME.format("none")),
        (f"host=db.example_password={CANARY}", SCHEME.format("none")),
        (f"//app:{CANARY}@db.example/register", SCHEME.format("none")),
        (f"postgresql:app:{CANARY}@db.example", NO_ADDRESS),
        (f"host=db.example password={CANARY}", UNSEEN),
        (address(name="reg\nister"), UNSEEN),
        (address(name="reg\tister"), UNSEEN),
        (address(name="reg\x7fister"), UNSEEN),
        (address(name="register%00"), DECODED),
        (address(name="register%0A"), DECODED),
        (address(name="register%FF"), DECODED),
        (address("?sslmode=require%00"), DECODED),
        (address(name="100%"), HEXADECIMAL),
        (address(name="%zz"), HEXADECIMAL),
        (f"postgresql://app:{CANARY}%@db.example/register", HEXADECIMAL),
    ],
)
def test_a_hostile_address_is_refused(url: str, reason: str) -> None:
    message = refusal(DATABASE_URL=url)
    assert message.startswith(f"DATABASE_URL: {reason}")


def test_a_nul_character_is_refused() -> None:
    assert refusal(DATABASE_URL=address("\x00")) == "DATABASE_URL holds a NUL character."


@pytest.mark.parametrize("role", ["owner", "auditor", "admin"])
def test_the_address_of_every_role_is_judged_under_its_own_name(role: str) -> None:
    name = f"DATABASE_{role.upper()}_URL"
    message = refusal(role, **{name: address("?service=evil")})
    assert message == f"{name}: {NOT_ALLOWED.format('service')}"


def test_percent_encoding_carries_any_character_of_user_password_and_name() -> None:
    entry = entry_of(
        DATABASE_URL="postgres://a%40b:plain%2F%3F%23%25%40%3A%27%20x@h.example:5433/d%20b"
    )
    assert (entry["USER"], entry["PASSWORD"], entry["NAME"]) == ("a@b", "plain/?#%@:' x", "d b")
    assert (entry["HOST"], entry["PORT"]) == ("h.example", 5433)


@pytest.mark.parametrize(
    ("host", "expected"),
    [("10.0.0.1", "10.0.0.1"), ("[::1]", "::1"), ("DB.Example", "db.example"), ("db_1", "db_1")],
)
def test_one_host_is_taken(host: str, expected: str) -> None:
    assert entry_of(DATABASE_URL=address(host=host))["HOST"] == expected


def test_a_socket_folder_keeps_its_capitals_and_its_port() -> None:
    for host in ("%2FUsers%2FAnna%20B%2Fsocket:5433", "%2fUsers%2fAnna%20B%2fsocket:5433"):
        entry = entry_of(DATABASE_URL=address(host=host))
        assert (entry["HOST"], entry["PORT"]) == ("/Users/Anna B/socket", 5433)


def test_the_text_forms_of_an_entry_hide_the_password() -> None:
    entry = entry_of(DATABASE_URL=address())
    assert entry["PASSWORD"] == CANARY
    assert CANARY not in f"{entry} {entry!r} {[entry]} { ({'default': entry}) }"
    assert "'USER': 'app'" in repr(entry)


def test_an_unset_role_has_no_entry() -> None:
    assert database_entry(Environment({"ENVIRONMENT": "development"}), "owner") is None


def test_a_misspelt_environment_is_never_taken_for_development() -> None:
    env = Environment({"ENVIRONMENT": "prodution", "DATABASE_URL": address("?sslmode=disable")})
    with pytest.raises(ConfigurationError, match="^ENVIRONMENT is 'prodution'; expected"):
        database_entry(env, "app")
