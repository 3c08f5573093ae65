"""Of which sessions a client's telemetry is coming in, and whether spans may be in it (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

SPANS_WITHIN_NS = 10 * 1_000_000_000
"""So long after the end of a turn, and after the first word of it, the client's spans of it may come: it sends every
five seconds, and through a collector each signal has a queue of its own."""

_SPANS_FOR_NS = 3600 * 1_000_000_000
_SILENCE_NS = 60 * 1_000_000_000
"""Whoever is heard again after this begins anew: what was kept for a while comes at once, in any order."""


class _Heard(Struct):
    since_ns: int
    last_ns: int

    def is_recent(self, now_ns: int) -> bool:
        return 0 <= now_ns - self.last_ns < _SILENCE_NS  # the clock may have been set back


class Arrivals:
    """What came in when, by our own clock: clients' clocks, and how long things were under way, do not matter."""

    def __init__(self) -> None:
        self._last_span_ns: int | None = None
        self._heard: dict[str, _Heard] = {}

    def note(self, session_ids: Iterable[str], now_ns: int, *, has_spans: bool) -> None:
        """Note that something came of some sessions."""
        if has_spans:
            self._last_span_ns = now_ns
        for session_id in session_ids:
            heard = self._heard.get(session_id)
            if heard is None or not heard.is_recent(now_ns):
                self._forget_silent(now_ns)
                self._heard[session_id] = _Heard(now_ns, now_ns)
            else:
                heard.last_ns = now_ns

    def expects_spans(self, now_ns: int) -> bool:
        """Tell whether a client sent spans in the last hour: more may come of any session."""
        return self._last_span_ns is not None and now_ns - self._last_span_ns < _SPANS_FOR_NS

    def begun(self, now_ns: int) -> set[str]:
        """Return the sessions of which something began to come in a moment ago."""
        self._forget_silent(now_ns)
        return {session_id for session_id, heard in self._heard.items() if now_ns - heard.since_ns < SPANS_WITHIN_NS}

    def _forget_silent(self, now_ns: int) -> None:
        self._heard = {session_id: heard for session_id, heard in self._heard.items() if heard.is_recent(now_ns)}
