"""Files of OTLP/JSON lines."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import pytest

from otel_bridge.errors import DeliveryError, UsageError, WriteError
from otel_bridge.sinks import Counts, Delivery
from otel_bridge.sinks.file import FileSink, open_file_sink
from otel_bridge.telemetry import Signal
from tests.otlp_server import from_json
from tests.sinks.otlp.official import official_request
from tests.sinks.samples import SCOPE, batch, ids, record, spans


def test_each_line_is_an_export_request(tmp_path: Path) -> None:
    """Every line is one request of one signal, readable for the collector, and nothing is missing."""
    target = tmp_path / "out.jsonl"
    sink = open_file_sink(target, SCOPE)
    sink.send(batch(spans(600)))
    sink.send(batch([record(1), record(2)]))
    assert sink.close() == Delivery({Signal.TRACES: Counts(accepted=600), Signal.LOGS: Counts(accepted=2)})
    documents = [json.loads(line) for line in target.read_bytes().splitlines()]
    assert [list(document) for document in documents] == [["resourceSpans"], ["resourceSpans"], ["resourceLogs"]]
    requests = [from_json("traces", document) for document in documents[:2]]
    sent = [span for request in requests for span in request.resource_spans[0].scope_spans[0].spans]
    assert ids(sent) == ids(spans(600))
    assert from_json("logs", documents[2]) == official_request([batch([record(1), record(2)])], SCOPE, Signal.LOGS)


def test_a_file_appears_only_when_it_is_complete(tmp_path: Path) -> None:
    """Until the sink is closed the old file is untouched; then the new one is there, and nothing else."""
    target = tmp_path / "out.jsonl"
    target.write_text("old")
    sink = open_file_sink(target, SCOPE)
    sink.send(batch(spans(1000)))
    assert target.read_text() == "old"
    sink.close()
    assert target.read_text().startswith('{"resourceSpans"')
    assert [path.name for path in tmp_path.iterdir()] == ["out.jsonl"]
    assert sink.close() == Delivery({Signal.TRACES: Counts(accepted=1000)})


def test_an_abort_leaves_no_trace(tmp_path: Path) -> None:
    """An interrupted export changes nothing."""
    target = tmp_path / "out.jsonl"
    sink = open_file_sink(target, SCOPE)
    sink.send(batch(spans(1000)))
    sink.abort()
    sink.abort()
    assert list(tmp_path.iterdir()) == []


def test_a_link_keeps_pointing_to_the_file(tmp_path: Path) -> None:
    """The file behind a symbolic link is replaced, not the link."""
    (tmp_path / "real.jsonl").write_text("old")
    link = tmp_path / "link.jsonl"
    link.symlink_to("real.jsonl")
    open_file_sink(link, SCOPE).close()
    assert link.is_symlink()
    assert (tmp_path / "real.jsonl").read_bytes() == b""


def test_dash_is_the_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """``-`` writes the lines to the standard output, which stays open."""
    sink = open_file_sink("-", SCOPE)
    sink.send(batch(spans(1)))
    sink.close()
    sys.stdout.write("still open")
    sys.stdout.flush()
    first, second = capfdbinary.readouterr().out.splitlines()
    assert json.loads(first)["resourceSpans"]
    assert second == b"still open"


def test_a_pipe_gets_the_lines_as_they_come(tmp_path: Path) -> None:
    """What is no regular file is written to, never replaced."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    sink = open_file_sink(pipe, SCOPE)
    sink.send(batch(spans(1)))
    sink.close()
    reader.join()
    assert pipe.is_fifo()
    assert read[0].startswith(b'{"resourceSpans"')


@pytest.mark.parametrize("target", ["no/such/folder/out.jsonl", "."])
def test_a_place_that_cannot_be_written_is_named_at_once(
    target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong path is a sentence at start-up."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=rf"^{target} cannot be written: "):
        open_file_sink(target, SCOPE)


class FullDisk:
    """An output that takes nothing any more."""

    def __init__(self) -> None:
        self.fate = ""

    def write(self, data: bytes) -> None:
        raise WriteError(f"no room for {len(data)} bytes")

    def publish(self) -> None:
        self.fate += "published"

    def discard(self) -> None:
        self.fate += "discarded"


def test_a_full_disk_publishes_nothing() -> None:
    """When the disk refuses the lines, the failure reaches the caller and no half file appears."""
    disk = FullDisk()
    sink = FileSink(disk, SCOPE)
    sink.send(batch(spans(1)))
    with pytest.raises(DeliveryError, match="no room"):
        sink.close()
    sink.abort()
    assert disk.fate == "discarded"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs the device that is always full")
def test_errors_of_the_disk_name_the_file() -> None:
    """The sentence says which file could not be written and why."""
    sink = open_file_sink("/dev/full", SCOPE)
    with pytest.raises(DeliveryError, match=r"^/dev/full cannot be written: No space left"):
        sink.send(batch(spans(1000)))
    sink.abort()
