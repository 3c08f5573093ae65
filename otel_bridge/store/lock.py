"""One writer of an index at a time (I/O)."""

from __future__ import annotations

from pathlib import Path

from otel_bridge.errors import StoreError
from otel_bridge.file_lock import FileLock


class WriterLock(FileLock):
    """The right to write an index; ``holder`` says who has it, for people."""

    def __init__(self, index: Path) -> None:
        super().__init__(index.with_name(f"{index.name}.writer"))

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

    def holder(self) -> str:
        """Return who has the right, as far as can be read."""
        return super().holder() or "another process"
