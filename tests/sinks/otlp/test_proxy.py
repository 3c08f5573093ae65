"""Which connections go through a proxy."""

from __future__ import annotations

import pytest

from otel_bridge.sinks.otlp.config import otlp_config
from otel_bridge.sinks.otlp.proxy import proxy_for
from otel_bridge.telemetry import Signal

PROXY = {"http_proxy": "http://plain:3128", "HTTPS_PROXY": "secure:3129"}


def test_the_scheme_chooses_the_proxy() -> None:
    """Lower case wins over upper case, the scheme's own variable over the general one; http:// is understood."""
    assert proxy_for(PROXY, "c.example", is_tls=False) == "http://plain:3128"
    assert proxy_for(PROXY, "c.example", is_tls=True) == "http://secure:3129"
    assert proxy_for({"all_proxy": "socks5://s:1"}, "c.example", is_tls=True) == "socks5://s:1"
    assert proxy_for(PROXY | {"https_proxy": "http://low"}, "c.example", is_tls=True) == "http://low"
    assert proxy_for({}, "c.example", is_tls=True) == ""


@pytest.mark.parametrize("host", ["localhost", "otel.localhost", "127.0.0.1", "127.8.0.1", "::1", ""])
def test_nothing_on_this_machine_goes_through_a_proxy(host: str) -> None:
    """Loopback is reached directly, whatever the variables say."""
    assert proxy_for(PROXY, host, is_tls=False) == ""


@pytest.mark.parametrize(
    ("no_proxy", "host", "is_direct"),
    [
        ("*", "c.example", True),
        ("c.example", "c.example", True),
        (".example", "c.example", True),
        ("*.example", "c.example", True),
        ("example", "c.example", True),
        ("a, C.EXAMPLE:4318", "c.example", True),
        ("10.0.0.0/8", "10.1.2.3", True),
        ("10.1.2.3", "10.1.2.3", True),
        ("xample", "c.example", False),
        ("d.c.example", "c.example", False),
        ("10.0.0.0/8", "11.1.2.3", False),
        ("10.0.0.0/8,,", "c.example", False),
    ],
)
def test_no_proxy_names_hosts_domains_and_networks(no_proxy: str, host: str, is_direct: bool) -> None:
    """An entry means a host and all below it, a network, or with ``*`` everything."""
    assert (proxy_for(PROXY | {"NO_PROXY": no_proxy}, host, is_tls=False) == "") is is_direct


@pytest.mark.parametrize(
    ("protocol", "endpoint", "proxy"),
    [
        ("grpc", "https://c.example:4317", "http://secure:3129"),
        ("grpc", "c.example:4317", "http://secure:3129"),
        ("grpc", "dns:///c.example:4317", "http://secure:3129"),
        ("grpc", "[::1]:4317", ""),
        ("grpc", "unix:/run/otlp.sock", ""),
        ("http/json", "http://c.example:4318", "http://plain:3128"),
        ("http/json", "http://localhost:4318", ""),
    ],
)
def test_both_transports_follow_the_same_rule(protocol: str, endpoint: str, proxy: str) -> None:
    """The host is found in every form an endpoint may have."""
    assert otlp_config(PROXY, Signal.TRACES, endpoint=endpoint, protocol=protocol).proxy == proxy
