"""Intakes that write a file, in the format of the collector's file exporter, and one that has several (I/O)."""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge.errors import WriteError
from otel_bridge.output import GrowingFile
from otel_bridge.receiving.intake import Export, Intake, Refused, Taken
from otel_bridge.receiving.json_lines import JsonWriter


class FileIntake:
    """Appends each request as a line of OTLP/JSON."""

    def __init__(self, file: GrowingFile) -> None:
        self._file = file
        self._writer = JsonWriter()

    def __call__(self, export: Export) -> Taken | Refused:
        """Append a request; what the disk does not take may come again."""
        try:
            self._file.write(self._writer.line(export.message) + b"\n")
        except WriteError as error:
            return Refused(str(error), is_retryable=True)
        return Taken()


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
