"""An orderly end: signals are told to who runs, and do not interrupt anything."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event
from types import FrameType


@contextmanager
def until_signal() -> Iterator[Event]:
    """Yield an event that a signal to end sets; outside of this block signals end the program at once."""
    stop = Event()

    def set_stop(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal calls it
        stop.set()

    before = {number: signal.signal(number, set_stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
