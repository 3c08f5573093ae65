"""A request from the bytes that came to the answer: unpacked, checked, handed to the intake, counted (pure but for it).

Runs in worker threads, under both transports alike. Nothing that a sender does is raised.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from threading import Lock
from typing import Any

from msgspec import Struct

from otel_bridge.receiving.answers import Fault, Refusal, RefusalError
from otel_bridge.receiving.budget import Hold
from otel_bridge.receiving.counters import Counters
from otel_bridge.receiving.intake import Export, Intake, Other, OtherIntake, Refused, Taken
from otel_bridge.receiving.json_bodies import JsonReader
from otel_bridge.receiving.limits import Limits
from otel_bridge.receiving.other_signals import OtherWire
from otel_bridge.receiving.packing import unpacked
from otel_bridge.receiving.parts import has_more_parts, message_fields
from otel_bridge.receiving.signals import WIRES, Wire
from otel_bridge.sinks.otlp.answers import short


class Arrived(Struct, frozen=True, eq=False):
    """A request as it came off the wire."""

    wire: Wire | OtherWire
    body: bytes
    hold: Hold
    at_s: float
    """By the clock of the desk."""
    encoding: str = ""
    """``Content-Encoding``; gRPC has unpacked it already."""
    is_json: bool = False


class Desk:
    """Takes requests. Any number of threads may call it."""

    def __init__(
        self,
        intake: Intake,
        limits: Limits,
        counters: Counters,
        now: Callable[[], float],
        others: OtherIntake | None = None,
    ) -> None:
        """``others`` takes signals that are not known here; without it there are none."""
        self.counters = counters
        self.takes_others = others is not None
        self._others = others
        self._intake = intake
        self._limits = limits
        self._now = now
        self._most_values = limits.parts * limits.values_per_part
        self._unpacking = Lock()
        self._fields = {signal: message_fields(wire.request.DESCRIPTOR) for signal, wire in WIRES.items()}
        self._json = {signal: JsonReader(wire.request.DESCRIPTOR) for signal, wire in WIRES.items()}

    def answer(self, arrived: Arrived) -> Taken | Refusal:
        """Take a request or say why not."""
        try:
            taken, items = self._take(arrived)
        except RefusalError as error:
            self.counters.refused(error.refusal.fault)
            return error.refusal
        except Exception as error:  # ours or the intake's: the sender still has the data and is not to drop it
            self.counters.refused(Fault.BROKEN)
            return Refusal(Fault.BROKEN, short(f"{type(error).__name__}: {error}"))
        self.counters.took(arrived.wire.signal, items, taken)
        return taken

    def busy(self) -> RefusalError:
        """Return what asks a sender to come again."""
        return RefusalError(Fault.BUSY, "too much is under way here; send it again", self._limits.come_again_s)

    def _take(self, arrived: Arrived) -> tuple[Taken, int]:
        items, hand_over = self._checked(arrived)
        outcome = hand_over()
        if isinstance(outcome, Refused):
            fault = Fault.UNAVAILABLE if outcome.is_retryable else Fault.NOT_WANTED
            raise RefusalError(fault, outcome.reason, outcome.retry_after_s)
        return outcome, items

    def _checked(self, arrived: Arrived) -> tuple[int, Callable[[], Taken | Refused]]:
        """Return the items of a request, 0 where nobody knows, and what hands it over."""
        wire = arrived.wire
        with self._unpacking:  # one at a time: it takes memory that nobody has asked the budget for yet
            if self._now() - arrived.at_s > self._limits.wait_s:
                raise self.busy()
            content = unpacked(arrived.body, arrived.encoding, self._limits.message_bytes)
            if content is not arrived.body and not arrived.hold.grow(len(content)):
                raise self.busy()
            if isinstance(wire, Wire):
                export = self._export(wire, content, is_json=arrived.is_json)
                return export.items, lambda: self._intake(export)
        assert self._others is not None
        return 0, partial(self._others, Other(wire.version, wire.signal, content, arrived.is_json))

    def _export(self, wire: Wire, content: bytes, *, is_json: bool) -> Export:
        try:
            body = self._json_body(wire, content) if is_json else content
            if has_more_parts(body, self._fields[wire.signal], self._limits.parts, self._most_values):
                raise _too_many_parts(self._limits.parts)
            items = self._checked_items(wire, wire.decode(body))
        except ValueError as error:
            form = "JSON" if is_json else "protobuf"
            what = wire.request.DESCRIPTOR.name
            raise RefusalError(Fault.BAD_DATA, short(f"this is no {what} in {form}: {error}")) from None
        return Export(wire.signal, body, items, wire.decode)

    def _json_body(self, wire: Wire, content: bytes) -> bytes:
        most = self._limits.parts  # marks within texts count too: still far more than usual
        if content.count(b"{") + content.count(b"[") > most or content.count(b",") > self._most_values:
            raise _too_many_parts(most)
        return self._json[wire.signal].protobuf(content)

    def _checked_items(self, wire: Wire, message: Any) -> int:
        """Return how many items there are, none of which has too many attributes."""
        items, most = 0, self._limits.attributes
        for item in wire.attributed(message):
            items += 1
            if len(item.attributes) > most:
                raise RefusalError(Fault.BAD_DATA, f"an item has {len(item.attributes):,} attributes; most: {most:,}")
        return items


def _too_many_parts(most: int) -> RefusalError:
    return RefusalError(Fault.TOO_LARGE, f"the request has more than {most:,} messages within it: send fewer at a time")
