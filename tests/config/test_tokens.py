"""Tokens and addresses of monitoring: read from a variable or a file, and never weak."""

from ipaddress import ip_network
from pathlib import Path

import pytest

from config.env import ConfigurationError, Environment
from config.tokens import networks, token

GOOD = "plain-but-long-enough"


def test_a_token_comes_from_its_variable_or_its_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{GOOD}\n")
    assert token(Environment({"HEALTH_TOKEN": GOOD}), "HEALTH_TOKEN") == GOOD
    assert token(Environment({"HEALTH_TOKEN_FILE": str(file)}), "HEALTH_TOKEN") == GOOD
    assert token(Environment({}), "HEALTH_TOKEN") is None
    both = Environment({"HEALTH_TOKEN": GOOD, "HEALTH_TOKEN_FILE": str(file)})
    with pytest.raises(ConfigurationError, match="HEALTH_TOKEN and HEALTH_TOKEN_FILE are both"):
        token(both, "HEALTH_TOKEN")


@pytest.mark.parametrize("given", ["plain", "plain token with spaces", "plain-tökens-of-ümlauts"])
def test_a_weak_or_unsendable_token_is_refused_and_not_shown(given: str) -> None:
    with pytest.raises(
        ConfigurationError, match=r"METRICS_TOKEN has \d+ characters; expected"
    ) as e:
        token(Environment({"METRICS_TOKEN": given}), "METRICS_TOKEN")
    assert given not in str(e.value)


def test_addresses_are_networks() -> None:
    given = Environment({"METRICS_ADDRESSES": "10.0.0.0/8, ::1,192.0.2.7"})
    expected = [ip_network(text) for text in ("10.0.0.0/8", "::1/128", "192.0.2.7/32")]
    assert networks(given, "METRICS_ADDRESSES") == expected


@pytest.mark.parametrize("given", ["prometheus", "10.0.0.1/8", "10.0.0.0/99"])
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(ConfigurationError, match="METRICS_ADDRESSES holds .*; expected IP"):
        networks(Environment({"METRICS_ADDRESSES": given}), "METRICS_ADDRESSES")
