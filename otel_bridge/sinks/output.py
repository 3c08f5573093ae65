"""Where bytes are written: a stream that has them at once, or a file that appears as a whole or not at all (I/O)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from otel_bridge.errors import DeliveryError, UsageError


class Output(Protocol):
    """Takes bytes; in the end they are published or discarded."""

    def write(self, data: bytes) -> None:
        """Take bytes over. DeliveryError if they cannot be written."""

    def publish(self) -> None:
        """Make everything written available. DeliveryError if that fails."""

    def discard(self) -> None:
        """Undo what can be undone; never raises."""


class Stream:
    """A pipe, a device or the standard output: what is written cannot be taken back."""

    def __init__(self, file: BinaryIO, *, closes: bool) -> None:
        self._file = file
        self._closes = closes

    def write(self, data: bytes) -> None:
        """Write at once."""
        with _explained(self._file.name):
            self._file.write(data)

    def publish(self) -> None:
        """Flush, and close what was opened for us."""
        with _explained(self._file.name):
            self._file.close() if self._closes else self._file.flush()

    def discard(self) -> None:
        """Close what was opened for us; what was written stays."""
        with suppress(DeliveryError, OSError):
            self.publish()


class NewFile:
    """A hidden file that takes the place of its target when it is complete, so that nobody ever sees half of it."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._partial = target.with_name(f".{target.name}.{os.getpid()}.partial")
        self._file = self._partial.open("wb")

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


def open_output(target: str | Path) -> Output:
    """Open a path, or the standard output for ``-``. UsageError if it cannot be written.

    A regular file appears, or is replaced, when it is published; a pipe or a device gets the bytes as they come.
    """
    if target == "-":
        return Stream(sys.stdout.buffer, closes=False)
    path = Path(target).resolve()
    try:
        if path.exists() and not path.is_file():
            return Stream(path.open("wb"), closes=True)
        return NewFile(path)
    except OSError as error:
        raise UsageError(f"{target} cannot be written: {error.strerror}") from None


@contextmanager
def _explained(name: Path | str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:  # whoever reads our output has enough: the command line knows what to do
        raise
    except OSError as error:
        raise DeliveryError(f"{name} cannot be written: {error.strerror}") from error
