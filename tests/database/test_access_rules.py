"""Which lines of pg_hba.conf let clear text in, read as the server reads them."""

import pytest

from apps.database.facts.access import AccessRule, rules_for_clear_text
from apps.database.facts.visitors import _REFUSED, without_numbers


def rule(kind: str, address: str | None, netmask: str | None = None, method: str = "scram-sha-256",
         databases: tuple[str, ...] = ("all",), roles: tuple[str, ...] = ("all",),
         line: int = 1) -> AccessRule:  # fmt: skip
    return AccessRule(line, kind, databases, roles, address, netmask, method, None)


@pytest.mark.parametrize(
    "open_rule",
    [
        rule("host", "10.0.0.0", "255.0.0.0"),
        rule("hostnossl", "all"),
        rule("host", "samenet"),
        rule("host", ".example.com"),
        rule("host", "::", "::"),
        # Wider than loopback.
        rule("host", "127.0.0.0", "254.0.0.0"),
        rule("host", "all", method="trust"),
    ],
)
def test_a_rule_that_lets_clear_text_in(open_rule: AccessRule) -> None:
    assert rules_for_clear_text([open_rule]) == [open_rule]


@pytest.mark.parametrize(
    "closed",
    [
        rule("local", None),
        rule("hostssl", "all"),
        rule("hostgssenc", "all"),
        rule("host", "127.0.0.1", "255.255.255.255"),
        rule("host", "127.0.0.0", "255.0.0.0"),
        rule("host", "::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
        rule("host", "samehost"),
        rule("hostnossl", "10.0.0.0", "255.0.0.0", method="reject"),
    ],
)
def test_a_rule_that_lets_none_in_from_the_network(closed: AccessRule) -> None:
    assert rules_for_clear_text([closed]) == []


def test_only_a_refusal_of_everything_covers_what_stands_behind_it() -> None:
    behind = rule("host", "10.0.0.0", "255.0.0.0", line=2)
    refusal = rule("hostnossl", "all", method="reject")
    assert rules_for_clear_text([refusal, behind]) == []
    assert rules_for_clear_text([behind, refusal]) == [behind]
    for narrow in (
        rule("hostnossl", "all", method="reject", databases=("template1",)),
        rule("hostnossl", "all", method="reject", roles=("reporting",)),
        rule("hostnossl", "10.1.0.0", "255.255.0.0", method="reject"),
        rule("hostssl", "all", method="reject"),
    ):
        assert rules_for_clear_text([narrow, behind]) == [behind]


@pytest.mark.parametrize(
    ("line", "found"),
    [
        (
            (
                'FATAL:  no pg_hba.conf entry for host "10.0.0.9", user "a b", database "c", '
                "no encryption"
            ),
            [("10.0.0.9", "a b", "c")],
        ),
        (
            (
                'FATAL:  pg_hba.conf rejects connection for host "10.0.0.9", user "a", '
                'database "c", no encryption'
            ),
            [("10.0.0.9", "a", "c")],
        ),
        # Refused over TLS is somebody else's matter.
        (
            'no pg_hba.conf entry for host "::1", user "a", database "c", SSL encryption',
            [],
        ),
        (
            (
                'FATAL,28000,"no pg_hba.conf entry for host ""::1"", user ""a"", database ""c"", '
                'no encryption",,'
            ),
            [("::1", "a", "c")],
        ),
    ],
)
def test_refused_attempts_are_read_from_the_log(line: str, found: list[tuple[str, ...]]) -> None:
    assert _REFUSED.findall(line) == found


def test_a_program_with_another_number_is_the_same_program() -> None:
    assert without_numbers("worker 17") == without_numbers("worker 4711") == "worker #"
    assert without_numbers("job 0b0d7b3e-6f0c-4b8e-9d57-ff0c4d6a2f11") == without_numbers(
        "job 9c1f7b3e-0000-4b8e-9d57-ff0c4d6a2f12"
    )
    assert without_numbers("worker") != without_numbers("exporter")
