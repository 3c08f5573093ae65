"""How long to wait between attempts, and when to give up (pure)."""

from __future__ import annotations

from msgspec import Struct


class RetryPolicy(Struct, frozen=True):
    """Exponential back-off with jitter; a receiver that says how long to wait is believed."""

    first_s: float = 1.0
    longest_s: float = 30.0
    give_up_s: float = 300.0
    """After so long without success; 0 = one attempt only."""

    def delay_s(self, attempt: int, asked_s: float | None, luck: float) -> float:
        """Return the wait after an attempt, counted from 0. ``luck`` is random in 0 to 1: it spreads the senders."""
        if asked_s is not None:
            return asked_s * (1 + luck / 10)
        return min(self.longest_s, self.first_s * 2.0 ** min(attempt, 62)) * (1 + luck) / 2


DEFAULT_RETRY = RetryPolicy()
