"""Where bytes are written: a stream that has them at once, a file that appears whole or not at all, or grows (I/O)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Protocol

from otel_bridge.errors import WriteError


class Output(Protocol):
    """Takes bytes; in the end they are published or discarded."""

    def write(self, data: bytes) -> None:
        """Take bytes over. WriteError if they cannot be written."""

    def publish(self) -> None:
        """Make everything written available. WriteError if that fails."""

    def discard(self) -> None:
        """Undo what can be undone; never raises."""


class Stream:
    """A pipe, a device or the standard output: what is written cannot be taken back."""

    def __init__(self, file: BinaryIO, *, closes: bool) -> None:
        self._file = file
        self._closes = closes
        self._name = file.name if closes else "<stdout>"

    def write(self, data: bytes) -> None:
        """Write at once."""
        with _explained(self._name):
            self._file.write(data)

    def publish(self) -> None:
        """Flush, and close what was opened for us."""
        with _explained(self._name):
            self._file.close() if self._closes else self._file.flush()

    def discard(self) -> None:
        """Close what was opened for us; what was written stays."""
        with suppress(WriteError, OSError):
            self.publish()


class NewFile:
    """A hidden file that takes the place of its target when it is complete, so that nobody ever sees half of it.

    It has the permissions ``mode``, from its first byte on; without it, those of any new file.
    """

    def __init__(self, target: Path, *, mode: int | None = None) -> None:
        self._target = target
        self._partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        self._file = _create(self._partial, mode)

    def write(self, data: bytes) -> None:
        """Write to the hidden file."""
        with _explained(self._target):
            self._file.write(data)

    def publish(self) -> None:
        """Put the file in its place, on the disk and not only in its cache."""
        with _explained(self._target):
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            self._partial.replace(self._target)

    def discard(self) -> None:
        """Remove the hidden file; the target is as it was."""
        with suppress(OSError):
            self._file.close()
            self._partial.unlink(missing_ok=True)


class GrowingFile:
    """A file that is appended to, or the standard output; any number of threads may write.

    Written means that the system has it: a power cut may lose it.
    """

    def __init__(self, file: BinaryIO, name: str, path: Path | None = None) -> None:
        """``file`` must not buffer. With its ``path`` it is opened anew where another one, or none, is there by now."""
        self._file = file
        self._name = name
        self._path = path
        self._lock = Lock()

    def write(self, data: bytes) -> None:
        """Append all of the bytes or, where the file can be cut, none."""
        left = memoryview(data)
        with _explained(self._name), self._lock:
            self._follow()
            try:
                while left:
                    left = left[self._file.write(left) :]
            except OSError:
                if len(left) < len(data):
                    with suppress(OSError):
                        written = len(data) - len(left)
                        os.ftruncate(self._file.fileno(), os.fstat(self._file.fileno()).st_size - written)
                raise

    def publish(self) -> None:
        """Do nothing: what is written is there."""

    def discard(self) -> None:
        """Do nothing: what is written stays."""

    def close(self) -> None:
        """Close the file; never raises."""
        with suppress(OSError):
            self._file.close()

    def _follow(self) -> None:
        if self._path is None:
            return
        with suppress(FileNotFoundError):
            if os.path.samestat(self._path.stat(), os.fstat(self._file.fileno())):
                return
        before, self._file = self._file, self._path.open("ab", buffering=0)
        before.close()


def open_growing(target: str) -> GrowingFile:
    """Open a file to append to, or the standard output for ``-``. WriteError if it cannot be written."""
    if target == "-":
        return GrowingFile(open(sys.stdout.fileno(), "wb", buffering=0, closefd=False), "<stdout>")
    with _explained(target):
        path = Path(target)
        return GrowingFile(path.open("ab", buffering=0), target, path)


def open_output(target: str | Path, *, mode: int | None = None) -> Output:
    """Open a path, or the standard output for ``-``. WriteError if it cannot be written.

    A regular file appears, or is replaced, when it is published; a pipe or a device gets the bytes as they come.
    ``mode`` is for a regular file: its permissions, where they are not to be those of any new one.
    """
    if target == "-":
        return Stream(sys.stdout.buffer, closes=False)
    with _explained(target):
        path = Path(target).resolve()
        if path.exists() and not path.is_file():
            return Stream(path.open("wb"), closes=True)
        return NewFile(path, mode=mode)


def write_whole(target: Path, data: bytes, *, mode: int | None = None) -> None:
    """Write all of an output at once. WriteError if that cannot be done; a regular file is as it was."""
    output = open_output(target, mode=mode)
    try:
        output.write(data)
        output.publish()
    except BaseException:
        output.discard()
        raise


def _create(path: Path, mode: int | None) -> BinaryIO:
    if mode is None:
        return path.open("wb")
    file = os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb")
    try:
        path.chmod(mode)
    except BaseException:
        file.close()
        path.unlink(missing_ok=True)
        raise
    return file


@contextmanager
def _explained(name: Path | str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # whoever reads our output has enough: the command line knows what to do
        raise
    except OSError as error:
        raise WriteError(f"{name} cannot be written: {error.strerror}") from error
