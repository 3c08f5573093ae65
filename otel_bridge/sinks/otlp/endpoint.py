"""Endpoints as users write them, made into what a transport connects to (pure)."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

from otel_bridge.errors import UsageError
from otel_bridge.sinks.otlp.variables import Setting
from otel_bridge.telemetry import Signal

_DEFAULT_HTTP = Setting("the default endpoint", "http://localhost:4318")
_DEFAULT_GRPC = Setting("the default endpoint", "http://localhost:4317")
_GRPC_NAME = re.compile(r"(?P<scheme>(dns|unix|ipv4|ipv6):)?(?!\w+://)(?P<rest>\S+)")


class Target(Struct, frozen=True):
    """The other end of a connection."""

    address: str
    """The full URL of HTTP; for gRPC, what it calls a target."""
    host: str
    """Empty where none is asked for a name, as with a Unix socket."""
    is_tls: bool
    place: str
    """The address as it may be shown: without credentials and query."""


def http_target(setting: Setting | None, signal: Signal) -> Target:
    """Return the URL to post to. A base URL gets the signal's path appended; a signal's own URL is used as it is."""
    setting = setting or _DEFAULT_HTTP
    url = _url(setting)
    if url is None:
        raise _wrong(setting, f"OTLP over HTTP needs a URL, such as {_DEFAULT_HTTP.value}")
    path = (url.path or "/") if setting.is_for_signal else f"{url.path.rstrip('/')}/v1/{signal}"
    address = url._replace(path=path, fragment="").geturl()
    return Target(address, url.hostname or "", url.scheme == "https", _shown(address))


def grpc_target(setting: Setting | None, *, is_insecure: bool) -> Target:
    """Return the target of gRPC. A URL's scheme says whether TLS is used; without one ``is_insecure`` does."""
    setting = setting or _DEFAULT_GRPC
    if url := _url(setting):
        address = url.netloc.rpartition("@")[2]
        return Target(address, url.hostname or "", url.scheme == "https", address)
    name = _GRPC_NAME.fullmatch(setting.value)
    if name is None:
        raise _wrong(setting, f"OTLP over gRPC needs host:port or a URL, such as {_DEFAULT_GRPC.value}")
    host = "" if name["scheme"] == "unix:" else name["rest"].rpartition("/")[2].rpartition(":")[0].strip("[]")
    return Target(setting.value, host, not is_insecure, setting.value)


def _url(setting: Setting) -> SplitResult | None:
    """Read the value as an http or https URL with a host, if it is one. UsageError if the URL is broken."""
    if not setting.value.lower().startswith(("http://", "https://")):
        return None
    try:
        url = urlsplit(setting.value)
        has_port = url.port is None or url.port > 0
    except ValueError as error:
        raise _wrong(setting, str(error)) from None
    if not has_port or re.search(r"\s", setting.value):
        raise _wrong(setting, "")
    return url if url.hostname else None


def _wrong(setting: Setting, why: str) -> UsageError:
    return UsageError(f"{setting.name} is {_shown(setting.value)!r}: {why}")


def _shown(address: str) -> str:
    return re.sub(r"//[^/]*@", "//", address).partition("?")[0]
