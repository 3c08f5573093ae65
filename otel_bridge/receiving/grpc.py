"""OTLP over gRPC, in raw bytes: what they are worth is for the desk to say (I/O). Imported only to receive."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import grpc
from grpc import aio

from otel_bridge.receiving.answers import Fault, Refusal, RefusalError, status_protobuf
from otel_bridge.receiving.front import Front
from otel_bridge.receiving.intake import Taken
from otel_bridge.receiving.limits import Limits
from otel_bridge.receiving.other_signals import OtherWire, by_method
from otel_bridge.receiving.signals import BY_METHOD, Wire
from otel_bridge.receiving.tls import Tls

_STATUS_DETAILS = "grpc-status-details-bin"


def channel_options(limits: Limits) -> list[tuple[str, int]]:
    """Return how the library is to behave: it bounds messages before and after it unpacks them."""
    return [
        ("grpc.max_receive_message_length", limits.message_bytes),
        ("grpc.max_concurrent_streams", limits.streams),
        ("grpc.so_reuseport", 0),
        # A client that pings to keep its connection is not to be cut off for it, within reason.
        ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
        ("grpc.keepalive_permit_without_calls", 1),
    ]


def server_credentials(tls: Tls) -> grpc.ServerCredentials:
    """Return the certificates of a server in the library's form."""
    return grpc.ssl_server_credentials(
        [(tls.key, tls.certificate)], tls.client_ca, require_client_auth=tls.client_ca is not None
    )


class GrpcFront(grpc.GenericRpcHandler):  # type: ignore[misc]  # the library has no types
    """Finds the handler of a call.

    Calls are handled as if they could bring several messages: so the handler decides when it reads the one there is,
    and what nobody reads waits in the network and not in memory.
    """

    def __init__(self, front: Front) -> None:
        self._front = front
        self._reads = asyncio.Semaphore(front.limits.reads)

    def service(self, call: Any) -> Any:
        """Return the handler of a method; ``None``, which is answered with UNIMPLEMENTED, where there is none."""
        metadata = {name: value for name, value in call.invocation_metadata if isinstance(value, str)}
        wire = BY_METHOD.get(call.method) or (by_method(call.method) if self._front.desk.takes_others else None)
        if refusal := self._front.guard.refusal(metadata.get("authorization", "")):
            handler = partial(self._refuse, RefusalError(refusal.fault, refusal.reason))
        elif wire is None:
            reason = f"there is no such method here; there are {', '.join(BY_METHOD)}"
            handler = partial(self._refuse, RefusalError(Fault.NOT_FOUND, reason))
        else:
            handler = partial(self._export, wire)
        return grpc.stream_unary_rpc_method_handler(handler)

    async def _refuse(self, error: RefusalError, _: Any, context: Any) -> bytes:
        await _abort(context, self._front.refused(error))
        return b""

    async def _export(self, wire: Wire | OtherWire, _: Any, context: Any) -> bytes:
        try:
            outcome = await self._outcome(wire, context)
        except RefusalError as error:
            outcome = self._front.refused(error)
        if isinstance(outcome, Refusal):
            await _abort(context, outcome)
            return b""
        return wire.answer(outcome.rejected, outcome.reason)

    async def _outcome(self, wire: Wire | OtherWire, context: Any) -> Taken | Refusal:
        hold = self._front.hold()
        try:
            async with self._reads:
                body = await self._read(context)
            if not hold.grow(len(body)):
                raise self._front.desk.busy()
        except BaseException:
            hold.release()
            raise
        return await self._front.answer(wire, body, hold)

    async def _read(self, context: Any) -> bytes:
        try:
            async with asyncio.timeout(self._front.limits.body_within_s):
                body = await context.read()
        except TimeoutError:
            within_s = self._front.limits.body_within_s
            raise RefusalError(Fault.TOO_SLOW, f"the message did not come within {within_s:g} s") from None
        if not isinstance(body, bytes):
            raise RefusalError(Fault.BAD_DATA, "the call brought no message, or one that is larger than allowed")
        return body


async def _abort(context: Any, refusal: Refusal) -> None:
    context.set_trailing_metadata(((_STATUS_DETAILS, status_protobuf(refusal)),))
    await context.abort(grpc.StatusCode[refusal.fault.grpc_name], refusal.reason)


def open_grpc_server(front: Front) -> aio.Server:
    """Return a server that does not listen yet. Must be called on the event loop it is to run on."""
    server = aio.server(options=channel_options(front.limits))
    server.add_generic_rpc_handlers((GrpcFront(front),))
    return server
