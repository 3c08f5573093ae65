"""What a receiver answers, in the words of both transports (pure).

The codes are those of the OTLP specification: clients send again after 429 and 503, and after UNAVAILABLE. It lets
RESOURCE_EXHAUSTED stand for both, but several SDKs drop what is answered so; it is only said of what is too large.
"""

from __future__ import annotations

from enum import Enum

import msgspec
from msgspec import Struct

from otel_bridge.sinks.otlp.wire import delimited, utf8, varint

_RETRY_INFO = b"type.googleapis.com/google.rpc.RetryInfo"
_NANOSECONDS = 1_000_000_000


class Fault(Enum):
    """Why a request was not taken: a bounded word for counters, the HTTP status and the name and number of gRPC's."""

    BAD_DATA = ("bad_data", 400, "INVALID_ARGUMENT", 3)
    UNAUTHENTICATED = ("unauthenticated", 401, "UNAUTHENTICATED", 16)
    FORBIDDEN = ("forbidden", 403, "PERMISSION_DENIED", 7)
    NOT_FOUND = ("not_found", 404, "UNIMPLEMENTED", 12)
    WRONG_METHOD = ("wrong_method", 405, "UNIMPLEMENTED", 12)
    TOO_LARGE = ("too_large", 413, "RESOURCE_EXHAUSTED", 8)
    UNSUPPORTED = ("unsupported", 415, "UNIMPLEMENTED", 12)
    NOT_WANTED = ("not_wanted", 400, "INVALID_ARGUMENT", 3)
    """The intake will never take it."""
    BUSY = ("busy", 429, "UNAVAILABLE", 14)
    """Our own limits are reached."""
    TOO_SLOW = ("too_slow", 503, "UNAVAILABLE", 14)
    UNAVAILABLE = ("unavailable", 503, "UNAVAILABLE", 14)
    """The intake cannot take it now."""
    BROKEN = ("broken", 503, "UNAVAILABLE", 14)
    """The intake failed in a way it did not foresee; what it did not take may come again."""

    def __init__(self, word: str, http_status: int, grpc_name: str, grpc_code: int) -> None:
        self.word = word
        self.http_status = http_status
        self.grpc_name = grpc_name
        self.grpc_code = grpc_code

    @property
    def is_retryable(self) -> bool:
        """True where a client that follows the specification sends the same again."""
        return self.http_status in (429, 503)


class Refusal(Struct, frozen=True):
    """A request that was not taken."""

    fault: Fault
    reason: str
    """A sentence for whoever operates the sender."""
    retry_after_s: float | None = None


class RefusalError(Exception):
    """Stops the work on a request."""

    def __init__(self, fault: Fault, reason: str, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.refusal = Refusal(fault, reason, retry_after_s)


def status_protobuf(refusal: Refusal) -> bytes:
    """Encode a ``google.rpc.Status``, with a ``RetryInfo`` where the sender is to wait."""
    status = b"\x08" + varint(refusal.fault.grpc_code) + delimited(b"\x12", utf8(refusal.reason))
    if refusal.retry_after_s is None:
        return status
    nanoseconds = round(refusal.retry_after_s * _NANOSECONDS)
    seconds, rest = divmod(nanoseconds, _NANOSECONDS)
    delay = delimited(b"\x0a", b"\x08" + varint(seconds) + b"\x10" + varint(rest))
    detail = delimited(b"\x0a", _RETRY_INFO) + delimited(b"\x12", delay)
    return status + delimited(b"\x1a", detail)


def status_json(refusal: Refusal) -> bytes:
    """Encode a ``google.rpc.Status`` as JSON."""
    return msgspec.json.encode({"code": refusal.fault.grpc_code, "message": refusal.reason})
