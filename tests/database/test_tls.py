"""TLS against a real server: who cannot prove who he is gets no password, and is told apart."""

import os
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError

from apps.controls.control import State, Verdict
from apps.controls.discovery import all_controls, select
from apps.controls.inspection import Target
from apps.controls.judge import judge
from apps.database.connection import open_wrapper
from apps.database.facts.certificate import server_certificate
from apps.database.facts.wire import SSL_REQUEST
from apps.database.refusals import UnprovenServer
from tests.recording import (
    ALERT,
    APPLICATION_DATA,
    HANDSHAKE,
    Behaviour,
    Peer,
    agrees_and_speaks_clear,
    asks_at_once,
    drops_tls,
    password_messages,
    record_types,
    relay_to,
)
from tests.secured import ROLES, Secured, entry_for, secured_server

pytestmark = pytest.mark.django_db
OLDER = {"ssl_max_protocol_version": "TLSv1.2"}


@pytest.fixture
def server(secured: Secured) -> Secured:
    return secured


@dataclass(frozen=True)
class Case:
    """A server that must not be believed, and the words that tell which it is."""

    says: str
    serve: Mapping[str, Any] = field(default_factory=dict)
    wrong_authority: bool = False

    def address(self, server: Secured, role: str = "app", port: int | None = None) -> str:
        root = server.stranger.certificate if self.wrong_authority else None
        return server.address(role, root=root, port=port)


CASES = {
    "wrong authority": Case(
        "the certificate comes from the authority scratch authority, which is not in sslrootcert=",
        wrong_authority=True,
    ),
    "wrong host": Case(
        "the certificate is for db.example and not for localhost; no password was sent",
        {"names": ["DNS:db.example"]},
    ),
    "expired": Case("the certificate expired on 20", {"days": -2}),
    "not valid yet": Case("the certificate is valid from 20", {"begins": 1}),
    "plaintext only": Case(
        "the server speaks no TLS, and the address demands TLS; no password was sent",
        {"ssl": "off"},
    ),
}
each_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def refusal(address: str, role: str = "app", **variables: str) -> str:
    """What the project's own engine says of an address that it does not connect to."""
    entry = entry_for(address, role, **variables)
    with closing(open_wrapper(entry)) as connection, pytest.raises(OperationalError) as refused:
        connection.ensure_connection()
    assert isinstance(refused.value.__cause__, UnprovenServer)
    message = str(refused.value)
    assert "\n" not in message
    assert "Canary" not in message
    return message


def session(address: str, role: str = "app", **variables: str) -> tuple[Any, ...]:
    """How the server sees the session of an address: encrypted, version, cipher."""
    entry = entry_for(address, role, **variables)
    with closing(open_wrapper(entry)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT ssl, version, cipher FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        return tuple(cursor.fetchone())


def test_without_a_server_that_speaks_tls_these_tests_say_what_they_need(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("apps.controls.selftest.system_binaries", lambda: None)
    needs = "needs a PostgreSQL with OpenSSL, and openssl: make tools"
    with pytest.raises(pytest.skip.Exception, match=needs), secured_server():
        pytest.fail("a server that is not there was started")


def test_the_right_authority_connects_and_the_password_would_be_seen(server: Secured) -> None:
    server.serve()
    assert session(server.address()) == (True, "TLSv1.3", "TLS_AES_256_GCM_SHA384")
    server.serve(**OLDER)
    with relay_to(server.cluster.port or 0) as relay:
        assert session(server.address(port=relay.port))[:2] == (True, "TLSv1.2")
    assert APPLICATION_DATA in record_types(bytes(relay.sent[0]))


@each_case
def test_each_doubt_ends_the_connection_before_a_password_and_is_told_apart(
    server: Secured, case: Case
) -> None:
    # Up to TLS 1.2 the relay can tell a handshake's records from those that would carry a password.
    server.serve(**{**OLDER, **case.serve})
    with relay_to(server.cluster.port or 0) as relay:
        message = refusal(case.address(server, port=relay.port))
    assert message.startswith(f"localhost:{relay.port}: {case.says}")
    assert len(relay.sent) >= 2
    for sent in relay.sent:
        assert sent.startswith(SSL_REQUEST)
        assert APPLICATION_DATA not in record_types(bytes(sent))
        assert ROLES.app.password.encode() not in sent
        if case.serve.get("ssl") == "off":
            assert sent == SSL_REQUEST


@each_case
@pytest.mark.parametrize("command", [("check", "--database", "default"), ("migrate", "--no-input")])
def test_commands_say_in_one_line_which_doubt_it_was(
    server: Secured, case: Case, command: tuple[str, ...]
) -> None:
    server.serve(**case.serve)
    answer = server.manage(*command, app=case.address(server), owner=case.address(server, "owner"))
    assert answer.returncode == 1, answer.stderr
    assert f"localhost:{server.cluster.port}: {case.says}" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert "Canary" not in answer.stdout + answer.stderr


@pytest.mark.parametrize(
    ("command", "code"),
    [(("assess", "--no-record"), 3), (("dbbackup",), 1), (("showmigrations",), 1)],
)
def test_other_commands_tell_it_too(server: Secured, command: tuple[str, ...], code: int) -> None:
    server.serve(days=-2)
    answer = server.manage(*command)
    assert answer.returncode == code, answer.stderr
    assert "the certificate expired on 20" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_roles_are_not_provisioned_on_a_server_that_is_not_believed(server: Secured) -> None:
    server.serve()
    stranger = server.address("owner", root=server.stranger.certificate)
    auditor = server.address("auditor")
    answer = server.manage(
        "provision_roles", DATABASE_ADMIN_URL=stranger, DATABASE_AUDITOR_URL=auditor
    )
    assert answer.returncode == 1
    assert "the certificate comes from the authority scratch authority" in answer.stderr


IMPOSTORS = {
    drops_tls: "the server speaks no TLS, and the address demands TLS; no password was sent",
    asks_at_once: "the server answered the request for TLS with b'R', and the address demands TLS",
    agrees_and_speaks_clear: "the server agreed to TLS, and the handshake failed: ",
}


@pytest.mark.parametrize("mode", ["require", "verify-ca", "verify-full"])
@pytest.mark.parametrize(("behaviour", "says"), IMPOSTORS.items())
def test_a_peer_that_drops_to_clear_text_gets_nothing(
    server: Secured, behaviour: Behaviour, says: str, mode: str
) -> None:
    with Peer(behaviour) as peer:
        message = refusal(server.address(mode=mode, port=peer.port))
    assert message.startswith(f"localhost:{peer.port}: {says}")
    assert "no password was sent" in message
    assert peer.sent
    for sent in map(bytes, peer.sent):
        assert sent.startswith(SSL_REQUEST)
        if behaviour is agrees_and_speaks_clear:
            assert set(record_types(sent)) <= {HANDSHAKE, ALERT}
        else:
            assert sent == SSL_REQUEST


def test_the_same_peer_would_get_it_from_a_client_that_asks_for_less(server: Secured) -> None:
    """The impostor works: without a demand the password arrives in clear text."""
    with Peer(drops_tls) as peer:
        entry = entry_for(server.address(mode="prefer", port=peer.port), ENVIRONMENT="development")
        with closing(open_wrapper(entry)) as connection, pytest.raises(OperationalError):
            connection.ensure_connection()
    assert [password_messages(bytes(sent)) for sent in peer.sent] == [[ROLES.app.password]]


def test_channel_binding_demands_a_proof_that_a_password_in_clear_is_not(server: Secured) -> None:
    server.serve()
    bound = "&channel_binding=require"
    assert session(server.address("auditor", more=bound), "auditor")[0] is True
    with (
        closing(open_wrapper(entry_for(server.address(more=bound)))) as connection,
        pytest.raises(OperationalError, match="channel binding required"),
    ):
        connection.ensure_connection()


def test_a_server_that_is_not_believed_is_not_asked_again(server: Secured) -> None:
    server.serve(days=-2)
    with relay_to(server.cluster.port or 0) as relay:
        refusal(server.address(port=relay.port), DATABASE_CONNECT_RETRY="30")
    # psycopg's attempt, and three looks at the certificate without a password.
    assert len(relay.sent) <= 4


def test_behind_a_pool_the_reason_is_told_too(server: Secured) -> None:
    server.serve(days=-2)
    answer = server.manage(
        "check", "--database", "default", DATABASE_POOL="native", DATABASE_POOL_TIMEOUT="1"
    )
    assert answer.returncode == 1
    assert "(database.E002) The database 'default' cannot be reached" in answer.stderr
    assert "the certificate expired on 20" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_authorities_of_the_system_are_those_of_its_bundle_alone(
    server: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What OpenSSL's own variables name is trusted neither with them nor without."""
    server.serve()
    says = "the certificate comes from the authority scratch authority, which is not in "
    for variable in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(variable, raising=False)
    assert says in refusal(server.address(root="system"))
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority.certificate))
    assert says in refusal(server.address(root="system"))
    assert os.environ["SSL_CERT_FILE"]


def test_a_self_signed_server_needs_a_setting_of_its_own(server: Secured) -> None:
    """As Heroku and the public proxies of platforms serve: encrypted, and proven by nobody."""
    server.serve_self_signed()
    says = "the certificate comes from the authority another authority, which is not in sslroot"
    default = server.address().partition("?")[0]
    assert says in refusal(default, DATABASE_SSLMODE_MINIMUM="verify-full")
    assert session(default)[:2] == (True, "TLSv1.3")
    pinned = server.address(mode="verify-ca", root=server.stranger.certificate)
    assert session(pinned, DATABASE_SSLMODE_MINIMUM="verify-ca")[0] is True


def test_the_excepted_host_works_in_clear_and_hears_no_password(server: Secured) -> None:
    """As a platform's internal host serves: without TLS, in a network of its own."""
    server.serve(ssl="off")
    excepted = {"DATABASE_PLAINTEXT_HOST": "localhost", "DATABASE_SSLMODE_MINIMUM": "verify-full"}
    with relay_to(server.cluster.port or 0) as relay:
        plain = server.address("auditor", port=relay.port).partition("?")[0]
        assert session(plain, "auditor", **excepted) == (False, None, None)
        # This role's line in pg_hba.conf asks for the password itself.
        asked = server.address(port=relay.port).partition("?")[0]
        with (
            closing(open_wrapper(entry_for(asked, **excepted))) as connection,
            pytest.raises(OperationalError, match="server requested a cleartext password"),
        ):
            connection.ensure_connection()
    sent = b"".join(map(bytes, relay.sent))
    assert b"secured_auditor" in sent
    assert b"secured_app" in sent
    assert b"Canary" not in sent


@pytest.mark.parametrize(
    ("names", "subject", "hosts"),
    [
        (["DNS:localhost"], "", ["localhost", "LOCALHOST", "127.0.0.1", "localhost.example"]),
        (["DNS:*.db.example"], "", ["a.db.example", "db.example", "a.b.db.example"]),
        (["DNS:db.example"], "localhost", ["localhost", "db.example"]),
        ([], "localhost", ["localhost", "db.example"]),
        (["IP:127.0.0.1"], "localhost", ["localhost", "127.0.0.1", "127.0.0.2"]),
        (["DNS:127.0.0.1"], "x", ["127.0.0.1"]),
        ([], "127.0.0.1", ["127.0.0.1"]),
        (["DNS:*"], "x", ["localhost"]),
        (["email:a@b.example"], "localhost", ["localhost"]),
    ],
)
def test_a_name_fits_where_libpq_finds_that_it_does(
    server: Secured, names: list[str], subject: str, hosts: list[str]
) -> None:
    server.serve(names=names, subject=subject)
    seen = server_certificate(("127.0.0.1", server.cluster.port or 0))
    for host in hosts:
        entry = entry_for(server.address(host=host))
        entry["OPTIONS"]["hostaddr"] = "127.0.0.1"
        with closing(open_wrapper(entry)) as connection:
            try:
                connection.ensure_connection()
            except OperationalError:
                assert not seen.fits(host), host
            else:
                assert seen.fits(host), host


def verdicts(app: str, auditor: str, *controls: str, **variables: str) -> dict[str, Verdict]:
    """The controls' verdicts on these addresses."""
    entries = {
        "app": entry_for(app, **variables),
        "auditor": entry_for(auditor, "auditor", **variables),
    }
    chosen = select(all_controls(), controls)
    with closing(open_wrapper(entries["auditor"])) as connection:
        found = judge(chosen, Target("secured", entries), connection, active=True)
        return {verdict.control: verdict for verdict in found}


def test_the_controls_report_version_cipher_and_days(server: Secured) -> None:
    server.serve(days=20)
    controls = ("SEC-004.1", "SEC-004.5", "SEC-004.6", "SEC-004.7")
    found = verdicts(server.address(), server.address("auditor"), *controls)
    assert {verdict.state for verdict in found.values()} == {State.PASS}
    assert found["SEC-004.1"].evidence == {
        "encrypted": True,
        "version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "bits": 256,
    }
    shown = dict(found["SEC-004.5"].evidence)
    ends = datetime.fromisoformat(shown.pop("not_after"))
    assert (ends - datetime.now(UTC)).days == 20
    assert datetime.fromisoformat(shown.pop("not_before")) < datetime.now(UTC)
    assert shown == {
        "host": "localhost",
        "version": "TLSv1.3",
        "cipher": "TLS_AES_256_GCM_SHA384",
        "bits": 256,
        "subject": "localhost",
        "names": ["localhost", "127.0.0.1"],
        "issuer": "scratch authority",
        "days": 20,
    }


def test_a_server_without_tls_has_no_certificate_and_no_version_to_judge(server: Secured) -> None:
    server.serve(ssl="off")
    app, auditor = (server.address(role, mode="disable") for role in ("app", "auditor"))
    controls = ("SEC-004.5", "SEC-004.6", "SEC-004.7")
    found = verdicts(app, auditor, *controls, ENVIRONMENT="development")
    assert {verdict.state for verdict in found.values()} == {State.UNKNOWN}
    assert [found[control].reason for control in controls] == [
        "The server speaks no TLS.",
        "The server speaks no TLS.",
        "ssl is off on the server, so it takes no version at all.",
    ]
