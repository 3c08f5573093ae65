"""What ``receive`` and ``up`` have in common: where to take OTLP, and from whom."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import wraps
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import click
from msgspec import Struct

from otel_bridge.cli.printable import say
from otel_bridge.errors import UsageError
from otel_bridge.receiving.listening import DEFAULTS, GRPC, HTTP, TOKEN, TOKEN_VARIABLE, listening_address
from otel_bridge.receiving.tls import CERTIFICATE, CLIENT_CA, KEY, read_tls
from otel_bridge.serving.address import Address, names_loopback
from otel_bridge.settings import environment
from otel_bridge.sinks.otlp.config import OtlpConfig

if TYPE_CHECKING:
    from otel_bridge.receiving.receiver import ReceiverConfig


class Listening(Struct, frozen=True):
    """The options as the user gave them."""

    grpc_address: str
    http_address: str
    token: str | None
    certificate: str | None
    key: str | None
    client_ca: str | None

    def config(self, next_hops: Iterable[OtlpConfig]) -> ReceiverConfig:
        """Return how to listen; neither address is set where both options are ``none``.

        Raises:
            UsageError: an address is none or open to everybody, a next hop is this receiver, a file cannot be used.
        """
        from otel_bridge.receiving.receiver import ReceiverConfig

        token = self.token if self.token is not None else environment().get(TOKEN_VARIABLE, "")
        tls = read_tls(self.certificate, self.key, self.client_ca)
        is_guarded = bool(token) or (tls is not None and tls.client_ca is not None)
        grpc = listening_address(GRPC, self.grpc_address, is_guarded=is_guarded)
        http = listening_address(HTTP, self.http_address, is_guarded=is_guarded)
        if token and tls is None and any(address and not address.is_loopback for address in (grpc, http)):
            say(f"! the token and all telemetry cross the network unencrypted: {CERTIFICATE} and {KEY} change that")
        for config in next_hops:
            for option, address in ((GRPC, grpc), (HTTP, http)):
                if address and _leads_to(config, address):
                    raise UsageError(
                        f"{option} {address} is where {config.signal} would be passed on to ({config.target.place}):"
                        f" a loop. Give --endpoint another address, or {option} another port"
                    )
        return ReceiverConfig(grpc, http, token, tls)


def listening_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of ``Listening`` to a command, which gets them as ``listening``."""

    @wraps(function)
    def with_listening(**options: Any) -> Any:
        own = {name: options.pop(name) for name in Listening.__struct_fields__}
        return function(listening=Listening(**own), **options)

    for option in reversed((
        click.option(GRPC, "grpc_address", default=DEFAULTS[GRPC], show_default=True, metavar="HOST:PORT",
                     help="Where OTLP over gRPC is taken; none for nowhere."),
        click.option(HTTP, "http_address", default=DEFAULTS[HTTP], show_default=True, metavar="HOST:PORT",
                     help="Where OTLP over HTTP is taken; none for nowhere."),
        click.option(TOKEN, metavar="TOKEN", help=f"Take only who sends this bearer token; default: {TOKEN_VARIABLE}."),
        click.option(CERTIFICATE, "certificate", metavar="FILE", help="Use TLS with this certificate (PEM)."),
        click.option(KEY, "key", metavar="FILE", help="Key of the certificate (PEM)."),
        click.option(CLIENT_CA, "client_ca", metavar="FILE",
                     help="Take only clients with a certificate signed by these (PEM)."),
    )):  # fmt: skip
        with_listening = option(with_listening)
    return with_listening


def where(grpc: Address | None, http: Address | None, *, is_tls: bool) -> str:
    """Return where is listened, for people."""
    scheme = "https" if is_tls else "http"
    listed = [f"OTLP over gRPC at {grpc}" if grpc else "", f"over HTTP at {scheme}://{http}" if http else ""]
    return " and ".join(filter(None, listed))


def _leads_to(config: OtlpConfig, address: Address) -> bool:
    """Tell whether a next hop is this receiver: the variables of clients may well say so."""
    place = config.target.address
    with suppress(ValueError):
        port = urlsplit(place if "://" in place else f"//{place}").port
        is_same_host = config.target.host == address.host or names_loopback(config.target.host)
        return bool(address.port) and is_same_host and port == address.port
    return False
