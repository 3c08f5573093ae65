"""What is written down is the collector's format, whole lines only."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from otel_bridge.output import GrowingFile, open_growing
from otel_bridge.receiving.file_intake import FileIntake, in_turn
from otel_bridge.receiving.intake import Export, Refused, Taken
from otel_bridge.receiving.signals import WIRES
from otel_bridge.telemetry import Signal
from tests.otlp_server import from_json
from tests.receiving.samples import request


def export(signal: Signal = Signal.TRACES, count: int = 3) -> Export:
    return Export(signal, request(signal, count).SerializeToString(), count, WIRES[signal].decode)


def test_each_request_is_a_line(tmp_path: Path) -> None:
    """Appended to what is there, and in the file when it is taken."""
    target = tmp_path / "out.jsonl"
    for signal in Signal:
        with closing(open_growing(str(target))) as file:
            assert FileIntake(file)(export(signal)) == Taken()
    lines = target.read_text(encoding="utf-8").splitlines()
    assert [from_json(signal, json.loads(line)) for signal, line in zip(Signal, lines, strict=True)] == [
        request(signal) for signal in Signal
    ]


def test_lines_of_many_threads_do_not_mix(tmp_path: Path) -> None:
    """Each is a line of its own."""
    target = tmp_path / "out.jsonl"
    with closing(open_growing(str(target))) as file, ThreadPoolExecutor(8) as threads:
        intake = FileIntake(file)
        assert set(threads.map(lambda count: intake(export(count=count)) == Taken(), range(1, 60))) == {True}
    sizes = [
        len(json.loads(line)["resourceSpans"][0]["scopeSpans"][0]["spans"])
        for line in target.read_text(encoding="utf-8").splitlines()
    ]
    assert sorted(sizes) == list(range(1, 60))


def test_a_full_disk_is_to_be_tried_again() -> None:
    """The sender keeps what the disk did not take."""
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    with closing(open_growing("/dev/full")) as file:
        answer = FileIntake(file)(export())
    assert answer == Refused("/dev/full cannot be written: No space left on device", is_retryable=True)


@pytest.mark.skipif(sys.platform == "win32", reason="limits of files are those of Unix")
def test_half_a_line_is_taken_back(tmp_path: Path) -> None:
    """Where the disk takes a part and no more, the file ends with the last whole line."""

    class Filling:
        """Takes 100 bytes more."""

        def __init__(self, path: Path) -> None:
            self._file = path.open("ab", buffering=0)
            self.fileno = self._file.fileno
            self.close = self._file.close
            self.left = 100

        def write(self, data: bytes) -> int:
            if not self.left:
                raise OSError(28, os.strerror(28))
            written = self._file.write(bytes(data)[: self.left])
            self.left -= written
            return written

    target = tmp_path / "out.jsonl"
    target.write_bytes(b"{}\n")
    with closing(GrowingFile(Filling(target), str(target))) as file:  # type: ignore[arg-type]
        answer = FileIntake(file)(export())
    assert isinstance(answer, Refused)
    assert target.read_bytes() == b"{}\n"


def test_a_file_that_was_moved_away_is_begun_anew(tmp_path: Path) -> None:
    """As programs that rotate logs do: nothing is written where nobody looks."""
    target = tmp_path / "out.jsonl"
    with closing(open_growing(str(target))) as file:
        intake = FileIntake(file)
        intake(export())
        target.rename(tmp_path / "old.jsonl")
        intake(export())
        intake(export())
        target.unlink()
        intake(export())
    assert [len(path.read_text().splitlines()) for path in (tmp_path / "old.jsonl", target)] == [1, 1]


def test_intakes_in_turn_end_with_the_first_refusal() -> None:
    """What one refused, the ones after it never see; what one rejected is told."""
    seen = []

    def taking(answer: Taken | Refused) -> Callable[[Export], Taken | Refused]:
        def take(_: Export) -> Taken | Refused:
            seen.append(answer)
            return answer

        return take

    no = Refused("no", is_retryable=True)
    assert in_turn([taking(Taken(1, "one")), taking(Taken())])(export()) == Taken(1, "one")
    assert in_turn([taking(Taken()), taking(no), taking(Taken())])(export()) == no
    assert len(seen) == 4
