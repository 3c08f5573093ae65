"""Intakes that write a file, in the format of the collector's file exporter, and one that has several (I/O)."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from otel_bridge.errors import UsageError
from otel_bridge.receiving.intake import Export, Intake, Refused, Taken
from otel_bridge.receiving.json_lines import JsonWriter


class FileIntake:
    """Appends each request as a line of OTLP/JSON. Taken means that the system has it: a power cut may lose it."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """``file`` must not buffer."""
        self._file = file
        self._name = name
        self._writer = JsonWriter()
        self._lock = Lock()

    def __call__(self, export: Export) -> Taken | Refused:
        """Append a request; what the disk does not take may come again."""
        line = self._writer.line(export.message) + b"\n"
        with self._lock:
            try:
                self._append(line)
            except OSError as error:
                return Refused(f"{self._name} cannot be written: {error.strerror or error}", is_retryable=True)
        return Taken()

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):
            self._file.close()

    def _append(self, line: bytes) -> None:
        """Write all of a line or nothing, where the file can be cut."""
        left = memoryview(line)
        try:
            while left:
                left = left[self._file.write(left) :]
        except OSError:
            if len(left) < len(line):
                with suppress(OSError):
                    os.ftruncate(self._file.fileno(), os.fstat(self._file.fileno()).st_size - len(line) + len(left))
            raise


def open_file_intake(target: str) -> FileIntake:
    """Open a file to append to, or the standard output for ``-``. UsageError if it cannot be written."""
    try:
        if target == "-":
            return FileIntake(open(sys.stdout.fileno(), "wb", buffering=0, closefd=False), "<stdout>")
        return FileIntake(Path(target).open("ab", buffering=0), target)
    except OSError as error:
        raise UsageError(f"--to-file {target} cannot be written: {error.strerror}") from None


def in_turn(intakes: Sequence[Intake]) -> Intake:
    """Return an intake that gives a request to one after the other, until one refuses it.

    Put first what is likeliest to refuse: what the ones before have taken they get again when the request comes again.
    """

    def take(export: Export) -> Taken | Refused:
        taken = Taken()
        for intake in intakes:
            outcome = intake(export)
            if isinstance(outcome, Refused):
                return outcome
            taken = outcome if outcome.rejected or outcome.reason else taken
        return taken

    return intakes[0] if len(intakes) == 1 else take
