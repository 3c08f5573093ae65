"""An orderly end: signals are told to who runs, and do not interrupt anything."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Event, Thread
from types import FrameType


@contextmanager
def until_signal() -> Iterator[Event]:
    """Yield an event that the first signal to end sets; a second one, and one outside of this block, ends at once.

    Another thread sets it: a signal may come while the main thread begins to wait for the event and holds its lock, and
    a handler that then wanted the same lock would wait forever.
    """
    stop, told = Event(), SimpleQueue[bool]()

    def tell(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - as signal calls it
        told.put(True)  # noqa: FBT003 - what is put is not looked at
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def pass_on() -> None:
        told.get()
        stop.set()

    Thread(target=pass_on, name="signals", daemon=True).start()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    for number in before:
        signal.signal(number, tell)
    try:
        yield stop
    finally:
        restore()
        told.put(False)  # noqa: FBT003 - the thread ends
