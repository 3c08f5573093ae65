"""Only this machine may ask, and whoever wants more has to say so."""

from __future__ import annotations

import pytest

from otel_bridge.errors import UsageError
from otel_bridge.serving.address import DEFAULT, Address, names_loopback, parse_address


@pytest.mark.parametrize(
    ("text", "address"),
    [
        (DEFAULT, Address("127.0.0.1", 9465)),
        ("localhost:80", Address("127.0.0.1", 80)),
        ("LOCALHOST:0", Address("127.0.0.1", 0)),
        ("127.8.8.8:65535", Address("127.8.8.8", 65_535)),
        ("[::1]:9465", Address("::1", 9465)),
    ],
)
def test_loopback_addresses_are_taken(text: str, address: Address) -> None:
    assert parse_address(text, allow_remote=False) == address
    assert address.is_loopback


@pytest.mark.parametrize("text", ["", "9465", ":9465", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "::1:9465"])
@pytest.mark.parametrize("more", ["", "http://", " "])
def test_what_is_no_address_is_refused_with_an_example(text: str, more: str) -> None:
    with pytest.raises(UsageError, match=r"--listen .*no address to listen on.* such as --listen 127\.0\.0\.1:9465"):
        parse_address(more + text, allow_remote=True)


@pytest.mark.parametrize("text", ["0.0.0.0:9465", "[::]:9465", "192.168.1.7:9465", "bridge.example:9465", "127.1:9465"])
def test_addresses_that_others_reach_must_be_allowed(text: str) -> None:
    """A name is one of them: who knows what it stands for tomorrow."""
    with pytest.raises(UsageError, match=rf"{text.split(':', maxsplit=1)[0][1:4]}.*other machines.*--allow-remote"):
        parse_address(text, allow_remote=False)
    assert str(parse_address(text, allow_remote=True)) == text


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:9465", "LocalHost:80", "127.0.0.1:9465", "127.0.0.2", "[::1]:9465", " 127.0.0.1 "]
)
def test_names_of_this_machine_are_known(host: str) -> None:
    assert names_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "evil.example",
        "evil.example:9465",
        "localhost.evil.example",
        "evil-localhost",
        "127.0.0.1.evil.example:9465",
        "127.0.0.1@evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1:9465 evil.example",
        "0.0.0.0:9465",
        "10.0.0.1",
        "[::2]",
        "[::1]evil",
    ],
)
def test_names_that_anybody_can_point_here_are_not(host: str) -> None:
    assert not names_loopback(host)
