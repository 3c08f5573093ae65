"""One writer of an index at a time (I/O)."""

from __future__ import annotations

import time
from pathlib import Path

from otel_bridge.errors import BusyError, StoreError
from otel_bridge.file_lock import FileLock

_LOOK_EVERY_S = 0.05


class WriterLock(FileLock):
    """The right to write an index; ``holder`` says who has it, for people."""

    def __init__(self, index: Path) -> None:
        super().__init__(index.with_name(f"{index.name}.writer"))
        self._index = index
        self._name = ""

    def acquire(self, holder: str = "") -> bool:
        """Take the right if nobody has it, and say whether it was taken.

        Raises:
            StoreError: the lock file cannot be made.
        """
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return super().acquire(holder)
        except OSError as error:
            raise StoreError(
                f"cannot write {self._path}: {error.strerror}. Name another folder with --data-dir or"
                " OTEL_BRIDGE_DATA_DIR"
            ) from error

    def claim(self, holder: str, *, wait_s: float = 0) -> None:
        """Take the right, waiting for whoever has it.

        Raises:
            BusyError: another process has it and does not end in time.
            StoreError: the lock file cannot be made.
        """
        self._name, deadline = holder, time.monotonic() + wait_s
        while not self.acquire(holder):
            if time.monotonic() >= deadline:
                raise BusyError(f"the index {self._index} is being written by {self.holder()}; it keeps it up to date")
            time.sleep(_LOOK_EVERY_S)

    def reclaim(self) -> None:
        """Take the right again where its file was removed; errors as of ``claim``."""
        if not self.is_held:
            self.release()
            self.claim(self._name)

    def holder(self) -> str:
        """Return who has the right, as far as can be read."""
        return super().holder() or "another process"
