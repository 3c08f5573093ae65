"""Which proxy a connection goes through, by the variables curl and most clients read (pure).

The transports are told not to look at the environment themselves, so that one place decides for HTTP and gRPC
alike, and so that nothing on this machine is ever asked for through a proxy.
"""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_address, ip_network


def proxy_for(env: Mapping[str, str], host: str, *, is_tls: bool) -> str:
    """Return the URL of the proxy to reach ``host`` through; empty = directly."""
    if not host or _is_loopback(host) or any(_covers(entry, host) for entry in _read(env, "no_proxy").split(",")):
        return ""
    proxy = _read(env, "https_proxy" if is_tls else "http_proxy") or _read(env, "all_proxy")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


def _read(env: Mapping[str, str], name: str) -> str:
    return env.get(name, "").strip() or env.get(name.upper(), "").strip()


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _covers(entry: str, host: str) -> bool:
    """Say whether an entry of ``no_proxy`` means this host: ``*``, a network, or a name and all names below it."""
    entry = entry.strip().lower()
    try:
        return ip_address(host) in ip_network(entry, strict=False)
    except ValueError:
        name = entry.lstrip("*.").partition(":")[0]
        return entry == "*" or (bool(name) and f".{host}".endswith(f".{name}"))
