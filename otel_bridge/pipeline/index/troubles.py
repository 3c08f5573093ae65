"""What does not work at the moment: told once, tried again with growing pauses, told to be over (pure)."""

from __future__ import annotations

from collections.abc import Callable

from msgspec import Struct

_NS_PER_S = 1_000_000_000
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 1.0, 30.0


class Trouble(Struct, frozen=True):
    """One thing that does not work, and when it is tried again."""

    sentence: str
    over: str
    """What is said when it works again."""
    retry_ns: int
    pause_s: float
    told: frozenset[str]
    """All sentences about it so far: it may change between a few."""


class Troubles:
    """All of them, by what does not work. The clock may be set back: no pause lasts longer for that."""

    def __init__(self, clock: Callable[[], int], notify: Callable[[str], None]) -> None:
        self._clock = clock
        self._notify = notify
        self._known: dict[str, Trouble] = {}

    def __contains__(self, what: str) -> bool:
        """Tell whether something does not work."""
        return what in self._known

    @property
    def sentences(self) -> list[str]:
        """What does not work, in sentences for people."""
        return [trouble.sentence for trouble in list(self._known.values())]

    def may_try(self, what: str) -> bool:
        """Tell whether something works, or is to be tried again by now."""
        trouble = self._known.get(what)
        if trouble is None:
            return True
        left_ns = trouble.retry_ns - self._clock()
        return not 0 < left_ns <= trouble.pause_s * _NS_PER_S

    def begin(self, what: str, sentence: str, *, over: str) -> None:
        """Note that something failed; each pause is twice as long as the one before, 1 s at first and 30 s at most."""
        before = self._known.get(what)
        told = frozenset[str]() if before is None else before.told
        if sentence not in told:
            self._notify(f"{sentence.rstrip('.')}; trying again until it works")
        pause_s = _FIRST_PAUSE_S if before is None else min(before.pause_s * 2, _LONGEST_PAUSE_S)
        retry_ns = self._clock() + int(pause_s * _NS_PER_S)
        self._known[what] = Trouble(sentence, over, retry_ns, pause_s, told | {sentence})

    def end(self, what: str) -> None:
        """Note that something worked."""
        trouble = self._known.pop(what, None)
        if trouble is not None:
            self._notify(trouble.over)
