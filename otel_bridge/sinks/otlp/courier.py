"""Takes a request to its end: retries, cuts in half what is refused as a whole, says what became of it (I/O)."""

from __future__ import annotations

import math
import random
import threading
import time
from collections.abc import Callable
from itertools import count

from msgspec import structs

from otel_bridge.sinks import Counts, Delivery, Rejection
from otel_bridge.sinks.otlp.answers import Accepted, Answer, BadItems, Refused, Retry, TooLarge, Transport
from otel_bridge.sinks.otlp.encoder import Encoder, Group, Item
from otel_bridge.sinks.otlp.packing import Request
from otel_bridge.sinks.otlp.retry import RetryPolicy
from otel_bridge.telemetry import DataPoint, Signal, Span

_SUSPICIOUS, _HOPELESS = 16, 1024
"""So many items refused one by one before any was taken: then it may not be, or is not, about the items."""
_SMALLEST_REQUEST_BYTES = 64 * 1024
_LATER_PLACES = 3
_VAIN_MOVES = 8
"""So many points in a row that no later place would take: then it is not about places."""
_OTHER_REFUSALS = ("out of bounds", "too old", "out of order", "too far in the future", "temporality")
"""What Prometheus says of points that no later place would help."""


class Courier:
    """Delivers requests of one signal to one endpoint, from any number of threads at once.

    What one thread learns about the endpoint holds for all: a wait it asked for, its size limit, the end of hope.
    No lock guards these facts: of two learnt at once either will do.
    """

    def __init__(
        self,
        signal: Signal,
        place: str,
        encoder: Encoder,
        transport: Transport,
        retry: RetryPolicy,
        *,
        notify: Callable[[str], None] = lambda _: None,
        rng: random.Random | None = None,
        now: Callable[[], float] = time.monotonic,
        wait: Callable[[threading.Event, float], object] = threading.Event.wait,
    ) -> None:
        self.stopped = threading.Event()
        """Set when nothing more is to be sent, whoever found that out."""
        self.max_bytes = math.inf
        """Larger requests need not be tried again."""
        self._name = f"{signal}: {place}"
        self._signal = signal
        self._encoder = encoder
        self._transport = transport
        self._retry = retry
        self._notify = notify
        self._has_notified = False
        self._rng = rng or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._now = now
        self._wait = wait
        self._resume_at = -math.inf
        self._last_success_at = -math.inf
        self._refused_alone = 0
        self._vain_moves = 0

    def deliver(self, request: Request) -> Delivery:
        """Deliver a request; what is in neither count of the result was not delivered."""
        answer = self._final_answer(request)
        if not isinstance(answer, TooLarge | BadItems):
            return self._account(request, answer)
        if len(request) == 1:
            return self._refused(request, answer.reason)
        if isinstance(answer, TooLarge):
            self.max_bytes = min(self.max_bytes, max(request.encoded_bytes // 2, _SMALLEST_REQUEST_BYTES))
        first, second = request.halves()
        return self.deliver(first) + self.deliver(second)

    def _account(self, request: Request, answer: Accepted | Refused | Retry | None) -> Delivery:
        """Account for a request that was not found fault with."""
        match answer:
            case Accepted():
                return self._accepted(request, answer)
            case Refused():
                self.stopped.set()
                return self._failed(f"refused the data: {answer.reason}; {answer.advice}")
            case Retry():
                return self._gave_up(answer)
            case None:
                return Delivery()

    def close(self) -> None:
        """Close the transport; no thread may be delivering any more."""
        self._transport.close()

    def _final_answer(self, request: Request) -> Answer | None:
        """Send until the answer is final. A ``Retry`` returned means given up, ``None`` means stopped."""
        body = self._encoder.request(request.groups)
        started_at = self._now()
        for attempt in count():
            self._wait_until(self._resume_at)
            if self.stopped.is_set():
                break
            answer = self._transport.send(body)
            if not isinstance(answer, Retry):
                return answer
            delay_s = self._retry.delay_s(attempt, answer.after_s, self._rng.random())
            resume_at = self._now() + delay_s
            if resume_at - started_at > self._retry.give_up_s:
                if self._last_success_at < started_at:
                    self.stopped.set()
                return answer
            self._say_once(answer)
            if answer.after_s is None:
                self._wait_until(resume_at)
            else:
                self._resume_at = max(self._resume_at, resume_at)
        return None

    def _say_once(self, answer: Retry) -> None:
        """Tell the user why nothing seems to happen."""
        if not self._has_notified:
            self._has_notified = True
            self._notify(f"{self._name}: {answer.reason}; trying again for up to {self._retry.give_up_s:g} s")

    def _wait_until(self, at: float) -> None:
        if (delay_s := at - self._now()) > 0:
            self._wait(self.stopped, delay_s)

    def _accepted(self, request: Request, answer: Accepted) -> Delivery:
        self._last_success_at = self._now()
        self._vain_moves = 0
        rejected = min(answer.rejected, len(request))
        counts = {self._signal: Counts(accepted=len(request) - rejected, rejected=rejected)}
        if not rejected:
            return Delivery(counts)
        item = described(request.items[0])
        if len(request) > 1:
            item = f"{rejected} of {len(request)} items, the first of them {item}"
        return Delivery(counts, rejections=(Rejection(self._signal, item, answer.message or "no reason given"),))

    def _refused(self, request: Request, reason: str) -> Delivery:
        """Account for a request of one item that is not taken as it stands."""
        item = request.items[0]
        if isinstance(item, DataPoint) and self._vain_moves < _VAIN_MOVES and may_be_written_already(reason):
            return self._book_later(request.groups[0], item, reason)
        return self._rejected(item, reason)

    def _book_later(self, group: Group, point: DataPoint, reason: str) -> Delivery:
        """Book a point whose place is taken a little later: an earlier export knew less of that millisecond.

        Prometheus keeps the first value of a time and refuses another one at the newest (3.15). A collector passes on
        that it did, not why (0.152), so a refusal without Prometheus's words is worth the attempt.
        """
        for later_ms in range(1, _LATER_PLACES + 1):
            moved = structs.replace(point, time_ns=point.time_ns + later_ms * 1_000_000)
            request = Request([Group(group.resource, group.head, [moved], self._encoder.items([moved]))])
            answer = self._final_answer(request)
            if not isinstance(answer, BadItems | TooLarge):
                return self._account(request, answer)
        self._vain_moves += 1
        return self._rejected(point, reason)

    def _rejected(self, item: Item, reason: str) -> Delivery:
        rejection = Rejection(self._signal, described(item), reason)
        delivery = Delivery({self._signal: Counts(rejected=1)}, rejections=(rejection,))
        self._refused_alone += 1
        if not self._is_hopeless():
            return delivery
        self.stopped.set()
        return delivery + self._failed(f"refuses every item: {reason}; check that an OTLP receiver listens there")

    def _is_hopeless(self) -> bool:
        """Tell a receiver that takes nothing from a run of bad items, if need be by a request without any."""
        if self._last_success_at > -math.inf or self._refused_alone < _SUSPICIOUS:
            return False
        if self._refused_alone == _SUSPICIOUS:
            return isinstance(self._transport.send(self._encoder.request([])), TooLarge | BadItems | Refused)
        # however many points are too old for a store, others may not be
        return self._refused_alone >= _HOPELESS and self._signal is not Signal.METRICS

    def _gave_up(self, answer: Retry) -> Delivery:
        asked = f" (it asks to wait {answer.after_s:g} s)" if answer.after_s else ""
        return self._failed(
            f"did not take the data within {self._retry.give_up_s:g} s: {answer.reason}{asked}; "
            "check that a collector listens there, is healthy and speaks this protocol"
        )

    def _failed(self, sentence: str) -> Delivery:
        return Delivery(failures=(f"{self._name} {sentence}",))


def described(item: Item) -> str:
    """Name an item so that a person finds it again."""
    if isinstance(item, Span):
        return f"{item.name} (trace {item.trace_id.hex()}, span {item.span_id.hex()})"
    if isinstance(item, DataPoint):
        labels = ", ".join(f"{name}={value}" for name, value in item.attributes.items())
        return f"{item.metric.name} {{{labels}}} at {item.time_ns // 1_000_000} ms"
    ids = f"trace {item.trace_id.hex()}, span {item.span_id.hex()}" if item.trace_id else f"at {item.time_ns} ns"
    return f"{item.event_name} ({ids})"


def may_be_written_already(reason: str) -> bool:
    """Tell the refusal of a point at a time that has a value from that of one that is too old or makes no sense."""
    return not any(word in reason for word in _OTHER_REFUSALS)
