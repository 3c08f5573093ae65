"""How much work a pass is: as much as is new."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from otel_bridge.pipeline.index import passes
from otel_bridge.pipeline.index.settling import Settlement
from otel_bridge.sources.transcript import lines as transcript_lines
from tests.pipeline.index.world import BRANCH, World, append, write_family
from tests.transcripts import (
    SID,
    Line,
    ask,
    dump,
    prompt,
    response,
    session_file,
    tool_result,
    tool_use,
)


def long_session(calls: int) -> list[Line]:
    lines = [prompt(at=0)]
    for number in range(calls):
        at = 10 * number
        tool = tool_use(f"toolu_{number}", command="make")
        lines += [ask(f"msg_{number}", tool, at=at), tool_result(f"toolu_{number}", at=at + 1)]
    return lines


class Openings:
    """Notes the transcripts and meta files that this process opens, by whatever way."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.is_noting = True
        sys.addaudithook(self._hear)  # for ever: hooks cannot be taken away

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and self.is_noting and str(arguments[0]).endswith((".jsonl", ".meta.json")):
            self.paths.append(str(arguments[0]))


@pytest.fixture
def openings() -> Iterator[Openings]:
    noted = Openings()
    yield noted
    noted.is_noting = False


def disk_bytes(world: World) -> dict[str, bytes]:
    """Return the files of the index as they are on disk."""
    return {
        path.name: path.read_bytes() for path in world.path.parent.glob("index.sqlite3*") if "-shm" not in path.name
    }


@pytest.mark.slow
def test_a_warm_pass_opens_no_file_and_writes_no_byte(world: World, openings: Openings) -> None:
    """1,011 files, sub-agents, forks and linked branches among them."""
    write_family(world)
    for number in range(1007):
        session_id = f"{number:08x}-1111-4000-8000-000000000000"
        session_file(world.root, session_id, prompt(at=number), response(f"msg_{number}", at=number + 1, **BRANCH))
    assert world.update().files_read == 1011
    assert len(set(openings.paths)) == 1011 + 1
    openings.paths.clear()
    world.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before, changes = disk_bytes(world), world.connection.total_changes
    report = world.update()
    assert openings.paths == []
    assert (report.files, report.files_read, report.rows_written) == (1011, 0, 0)
    assert world.connection.total_changes == changes
    assert disk_bytes(world) == before


def decoded_lines(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list that gets every line handed to the decoder from now on."""
    decoded: list[bytes] = []
    real = transcript_lines.record_decoder()

    def decode(raw: bytes) -> Any:
        decoded.append(raw)
        return real(raw)

    monkeypatch.setattr(transcript_lines, "record_decoder", lambda: decode)
    return decoded


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(response("msg_new", at=99_999), id="answer"),
        pytest.param(prompt("More", at=99_999), id="prompt"),
        pytest.param(ask("msg_new", tool_use("toolu_new", command="ls"), at=99_999), id="tool"),
    ],
)
def test_one_line_more_is_decoded_alone_and_writes_as_many_rows_in_a_long_session_as_in_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: Line
) -> None:
    """Ten calls or a thousand: the work is that of the line."""
    written = []
    for calls in (10, 1000):
        world = World(tmp_path / str(calls), in_memory=True)
        path = session_file(world.root, SID, *long_session(calls))
        world.update()
        append(path, line)
        decoded = decoded_lines(monkeypatch)
        report = world.update([path])
        assert (decoded, report.files_read, report.lines_read) == ([dump(line)], 1, 1)
        written.append(report.rows_written)
        monkeypatch.undo()
        world.check()
    assert written[0] == written[1] <= 20


@pytest.mark.slow
def test_a_file_grown_line_by_line_keeps_few_chunks_and_is_not_written_again_too_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of n lines: chunks as log n, bytes written as n log n."""
    world, written, single = World(tmp_path, in_memory=True), [0], [0]
    path = session_file(world.root, SID, prompt())
    world.update()
    add, merge = passes.files.add_chunk, passes.files.merge_chunks

    def adding(connection: sqlite3.Connection, file_id: int, data: bytes) -> None:
        single[0] += len(data)
        add(connection, file_id, data)

    def merging(connection: sqlite3.Connection, file_id: int, merged: list[Any], data: bytes) -> None:
        written[0] += len(data)
        merge(connection, file_id, merged, data)

    monkeypatch.setattr(passes.files, "add_chunk", adding)
    monkeypatch.setattr(passes.files, "merge_chunks", merging)
    monkeypatch.setattr(passes, "settle", lambda *_, **__: Settlement())  # rows are another matter
    for number in range(1, 16**2 * 2):
        append(path, response(f"msg_{number}", at=number))
        world.update([path])
        assert world.one("SELECT count(*) FROM chunks") <= 3 * 15
    assert 0 < written[0] <= 2 * single[0]  # each line at most once for each level above its own
    assert world.one("SELECT max(level) FROM chunks") == 2
    monkeypatch.undo()
    world.update()
    world.check()
