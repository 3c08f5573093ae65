"""What a receiver's answer means for what was sent, whatever the transport (pure)."""

from __future__ import annotations

from typing import Protocol

import msgspec
from msgspec import Struct

from otel_bridge.sinks.otlp.wire import Message

_MAX_REASON = 300


class Accepted(Struct, frozen=True):
    """Taken, except for so many items the receiver counted but did not name. Never to be sent again."""

    rejected: int = 0
    message: str = ""


class Retry(Struct, frozen=True):
    """Not now: the same request may succeed later."""

    reason: str
    after_s: float | None = None
    """Not before this, if the receiver said so."""


class TooLarge(Struct, frozen=True):
    """The request as a whole is too large; parts of it may pass."""

    reason: str


class BadItems(Struct, frozen=True):
    """Something in the request is wrong; parts of it may pass."""

    reason: str


class Refused(Struct, frozen=True):
    """It is about us, not about what we sent: nothing will pass until somebody changes something."""

    reason: str
    advice: str


Answer = Accepted | Retry | TooLarge | BadItems | Refused


class Transport(Protocol):
    """Carries encoded requests to one endpoint. Any thread may send."""

    def send(self, body: bytes) -> Answer:
        """Send a request once and classify the answer. Never raises for what the other side does."""

    def close(self) -> None:
        """Give the connections back."""


def accepted(body: bytes, content_type: str) -> Accepted:
    """Read a success response with its partial success; a body that is none of ours means plain success."""
    try:
        return _accepted_json(body) if "json" in content_type else _accepted_protobuf(body)
    except (ValueError, msgspec.DecodeError):
        return Accepted()


def error_text(body: bytes, content_type: str) -> str:
    """Read the receiver's words in an error response, a ``google.rpc.Status`` or plain text, as one short line."""
    try:
        if "json" in content_type:
            return short(msgspec.json.decode(body, type=_Status).message)
        if "protobuf" in content_type:
            return short(Message(body).payload(2).decode(errors="replace"))
    except (ValueError, msgspec.DecodeError):
        pass
    return short(body.decode(errors="replace"))


def short(text: str) -> str:
    """Put text on one line, cut where it is too long for a sentence."""
    line = " ".join(text.split())
    return line if len(line) <= _MAX_REASON else line[: _MAX_REASON - 1] + "…"


class _Status(Struct):
    message: str = ""


class _PartialSuccess(Struct, rename="camel"):
    """The union of all signals: each fills its own count."""

    rejected_spans: int = 0
    rejected_log_records: int = 0
    rejected_data_points: int = 0
    rejected_profiles: int = 0
    error_message: str = ""


class _Response(Struct, rename="camel"):
    partial_success: _PartialSuccess | None = None


def _accepted_json(body: bytes) -> Accepted:
    partial = msgspec.json.decode(body, type=_Response, strict=False).partial_success or _PartialSuccess()
    rejected = (
        partial.rejected_spans + partial.rejected_log_records + partial.rejected_data_points + partial.rejected_profiles
    )
    return Accepted(max(rejected, 0), short(partial.error_message))


def _accepted_protobuf(body: bytes) -> Accepted:
    partial = Message(Message(body).payload(1))
    return Accepted(max(partial.number(1), 0), short(partial.payload(2).decode(errors="replace")))
