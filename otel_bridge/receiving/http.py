"""OTLP over HTTP: protobuf and JSON, packed or not, chunked or not (I/O). Imported only to receive."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

from uvicorn.protocols.http.h11_impl import H11Protocol

from otel_bridge.receiving.answers import Fault, Refusal, RefusalError, status_json, status_protobuf
from otel_bridge.receiving.budget import Hold
from otel_bridge.receiving.front import Front
from otel_bridge.receiving.intake import Taken
from otel_bridge.receiving.other_signals import OtherWire, by_path
from otel_bridge.receiving.signals import BY_PATH, JSON, PROTOBUF, Wire

_DRAINED_BYTES = 64 << 20
_DRAIN_WITHIN_S = 2.0
"""What is read of a refused body and thrown away: a client that cannot finish to send seldom reads the answer."""

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


class _Asked(NamedTuple):
    """A request whose head is in order."""

    wire: Wire | OtherWire
    is_json: bool
    encoding: str
    length: int


class HttpFront:
    """An ASGI application."""

    def __init__(self, front: Front) -> None:
        self._front = front

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        is_json = _media_type(headers) != PROTOBUF  # whoever sends neither can still read this
        wire, body, outcome = None, _Body(receive), None
        try:
            asked = self._asked(scope["method"], scope["path"], headers)
            wire = asked.wire
            outcome = await self._outcome(asked, body)
        except RefusalError as error:
            outcome = self._front.refused(error)
        except _GoneError:
            return
        if not body.is_complete:
            await body.drain()
        await _reply(send, wire, outcome, is_json=is_json)

    def _asked(self, method: str, path: str, headers: dict[str, str]) -> _Asked:
        """Check a head. RefusalError if it is not in order."""
        if refusal := self._front.guard.refusal(headers.get("authorization", "")):
            raise RefusalError(refusal.fault, refusal.reason)
        wire = BY_PATH.get(path) or (by_path(path) if self._front.desk.takes_others else None)
        if wire is None:
            raise RefusalError(Fault.NOT_FOUND, f"there is nothing here; send to {', '.join(BY_PATH)}")
        if method != "POST":
            raise RefusalError(Fault.WRONG_METHOD, "send with POST")
        if "origin" in headers:  # browsers say so, and a page may reach loopback under a name of its own
            raise RefusalError(Fault.FORBIDDEN, "web pages may not send telemetry here")
        media_type = _media_type(headers)
        if media_type not in (PROTOBUF, JSON):
            raise RefusalError(Fault.UNSUPPORTED, f"Content-Type {media_type[:40]!r} is not OTLP: {PROTOBUF} or {JSON}")
        length = int(headers.get("content-length", "0"))
        if length > self._front.limits.body_bytes:
            raise self._too_large()
        return _Asked(wire, media_type == JSON, headers.get("content-encoding", ""), length)

    async def _outcome(self, asked: _Asked, body: _Body) -> Taken | Refusal:
        hold = self._front.hold()
        try:
            content = await self._content(asked, body, hold)
        except BaseException:
            hold.release()
            raise
        return await self._front.answer(asked.wire, content, hold, encoding=asked.encoding, is_json=asked.is_json)

    async def _content(self, asked: _Asked, body: _Body, hold: Hold) -> bytes:
        """Read a body into what the budget has room for."""
        if not hold.grow(asked.length):
            raise self._front.desk.busy()
        chunks, size, held = [], 0, asked.length
        try:
            async with asyncio.timeout(self._front.limits.body_within_s):
                async for chunk in body:
                    size += len(chunk)
                    if size > self._front.limits.body_bytes:
                        raise self._too_large()
                    if size > held and not hold.grow(size - held):
                        raise self._front.desk.busy()
                    held = max(held, size)
                    chunks.append(chunk)
        except TimeoutError:
            within_s = self._front.limits.body_within_s
            raise RefusalError(Fault.TOO_SLOW, f"the body did not come within {within_s:g} s") from None
        return b"".join(chunks)

    def _too_large(self) -> RefusalError:
        return RefusalError(Fault.TOO_LARGE, f"the body is larger than {self._front.limits.body_bytes:,} bytes")


class _GoneError(Exception):
    """The client left."""


class _Body:
    """A body as it comes."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.is_complete = False

    def __aiter__(self) -> _Body:
        return self

    async def __anext__(self) -> bytes:
        """Return the next piece. _GoneError if there will be none, though there should."""
        if self.is_complete:
            raise StopAsyncIteration
        message = await self._receive()
        if message["type"] == "http.disconnect":
            raise _GoneError
        self.is_complete = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece

    async def drain(self) -> None:
        """Read on and forget it, within limits."""
        size = 0
        try:
            async with asyncio.timeout(_DRAIN_WITHIN_S):
                async for chunk in self:
                    size += len(chunk)
                    if size > _DRAINED_BYTES:
                        break
        except (TimeoutError, _GoneError):
            pass


def _media_type(headers: dict[str, str]) -> str:
    return headers.get("content-type", "").partition(";")[0].strip().lower()


async def _reply(send: Send, wire: Wire | OtherWire | None, outcome: Taken | Refusal, *, is_json: bool) -> None:
    status, body, extra = 200, b"", list[tuple[bytes, bytes]]()
    if isinstance(outcome, Refusal):
        status = outcome.fault.http_status
        body = status_json(outcome) if is_json else status_protobuf(outcome)
        extra = _headers_of(outcome)
    elif wire is not None:
        body = wire.answer(outcome.rejected, outcome.reason, is_json=is_json)
    headers = [
        (b"content-type", (JSON if is_json else PROTOBUF).encode()),
        (b"content-length", str(len(body)).encode()),
        *extra,
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _headers_of(refusal: Refusal) -> list[tuple[bytes, bytes]]:
    if refusal.retry_after_s is not None:
        return [(b"retry-after", str(math.ceil(refusal.retry_after_s)).encode())]
    if refusal.fault is Fault.WRONG_METHOD:
        return [(b"allow", b"POST")]
    if refusal.fault is Fault.UNAUTHENTICATED:
        return [(b"www-authenticate", b"Bearer")]
    return []


def timely_protocol(head_within_s: float) -> type[asyncio.Protocol]:
    """Return uvicorn's protocol, but for connections that never ask: those it would keep forever."""

    class TimelyProtocol(H11Protocol):
        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            self.loop.call_later(head_within_s, self._leave_the_silent)

        def _leave_the_silent(self) -> None:
            if self.cycle is None and not self.transport.is_closing():
                self.transport.close()

    return TimelyProtocol
