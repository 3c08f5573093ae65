"""Work on a session that comes again and again: the longer it takes, the more seldom it is done (pure)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

_PER_WORK = 30
"""A pause is so many times as long as the work was: a session that goes on takes a thirtieth of the processor."""

_AT_MOST_NS = 60 * 1_000_000_000


class Pauses:
    """The sessions that are to be left alone for a while."""

    def __init__(self, *, at_least_ns: int, free_ns: int = 0) -> None:
        """``at_least_ns`` is how long any pause is. Work that takes less than ``free_ns`` needs none."""
        self._at_least_ns = at_least_ns
        self._free_ns = free_ns
        self._until_ns: dict[str, int] = {}

    def begin(self, work_ns: Mapping[str, int], now_ns: int) -> None:
        """Leave sessions alone that were just worked on for so long each."""
        for session_id, spent_ns in work_ns.items():
            if spent_ns >= self._free_ns:
                pause_ns = min(max(self._at_least_ns, _PER_WORK * spent_ns), _AT_MOST_NS)
                self._until_ns[session_id] = now_ns + pause_ns

    def hold(self, session_ids: Iterable[str], now_ns: int) -> None:
        """Leave sessions alone for as long as any."""
        self._until_ns |= dict.fromkeys(session_ids, now_ns + _AT_MOST_NS)

    def at(self, now_ns: int) -> Collection[str]:
        """Return the sessions that are to be left alone at a time."""
        self._until_ns = {
            session_id: until_ns
            for session_id, until_ns in self._until_ns.items()
            if 0 < until_ns - now_ns <= _AT_MOST_NS  # the clock may have been set back
        }
        return self._until_ns.keys()
