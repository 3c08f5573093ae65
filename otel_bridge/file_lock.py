"""One process at a time: a lock on a file that ends with its process, however that ends (I/O)."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Self
from weakref import WeakSet

if sys.platform == "win32":
    import msvcrt

    def _take(file: IO[bytes]) -> None:
        file.seek(0)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(file: IO[bytes]) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


_taken: WeakSet[FileLock] = WeakSet()


def _leave_to_parent() -> None:
    """Let a forked process not hold what its parent took: it may outlive it."""
    for lock in list(_taken):
        lock.release()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)


class FileLock:
    """The right to do something, by the file that is locked; what it says is who has the right, for people."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: IO[bytes] | None = None

    def acquire(self, holder: str = "") -> bool:
        """Take the right if nobody has it, and say whether it was taken.

        Raises:
            OSError: the file cannot be made; its folder has to be there.
        """
        file = os.fdopen(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o600), "r+b", buffering=0)
        try:
            _take(file)
        except OSError:
            file.close()
            return False
        with suppress(OSError):  # on a full disk nobody can be told who has the right; whoever has it may make room
            file.truncate(0)
            file.write(holder.encode())
        self._file = file
        _taken.add(self)
        if not self.is_held:  # it was removed before it was locked: others lock another file
            self.release()
            return False
        return True

    @property
    def is_held(self) -> bool:
        """Tell whether the right is ours and others see that: not where the file was removed or replaced."""
        try:
            return self._file is not None and os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except OSError:
            return False

    def holder(self) -> str:
        """Return who has the right, as far as can be read; empty where nobody said so."""
        with suppress(OSError):
            return self._path.read_text(encoding="utf-8", errors="replace").strip()
        return ""

    def release(self) -> None:
        """Give the right back."""
        if self._file is not None:
            self._file.close()  # not unlocked: in a forked process that would take the right from the parent
            self._file = None
            _taken.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()
