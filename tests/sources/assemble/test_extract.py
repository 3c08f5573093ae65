"""Extracts: what is stored of a file is enough, and a file read in pieces says what it says as a whole."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from otel_bridge.sources.transcript.assemble.extract import Extractor, FileExtract
from otel_bridge.sources.transcript.assemble.lanes import LaneSorter
from otel_bridge.sources.transcript.discover import SessionFiles, TranscriptFile, discover_sessions
from otel_bridge.sources.transcript.growth import START, Checkpoint, Growth, read_growth
from otel_bridge.sources.transcript.lines import LineAccount, read_records
from otel_bridge.sources.transcript.survey import take_census
from tests.captures import FOLDER, RUNS
from tests.transcripts import (
    SID,
    cost_state,
    dump,
    prompt,
    queue_operation,
    response,
    session_file,
    tool_result,
    tool_use,
)

ROOTS = [FOLDER / run for run in RUNS]


def files_of(root: Path) -> Iterator[TranscriptFile]:
    for session in discover_sessions([root]):
        yield from session.files


def whole(file: TranscriptFile) -> FileExtract:
    records = read_records(file, LineAccount())
    extractor = Extractor(file.session_id, file.agent_id, records)
    for record in records:
        extractor.add(record)
    return extractor.extract


def in_pieces(file: TranscriptFile, target: Path, cuts: list[int]) -> tuple[FileExtract, list[Growth]]:
    """Read a file that grows to each of some sizes; return all that its complete lines said, and each step."""
    data = Path(file.path).read_bytes()
    copy = msgspec.structs.replace(file, path=str(target))
    extract, steps, checkpoint = FileExtract(), [], START
    for size in [*sorted(cuts), len(data)]:
        target.write_bytes(data[:size])
        step = read_growth(copy, checkpoint, lambda: [stored(extract)])
        steps.append(step)
        assert not step.is_rewritten
        extract.extend(stored(step.extract))
        checkpoint = step.checkpoint
    return extract, steps


def stored(extract: FileExtract) -> FileExtract:
    return msgspec.msgpack.decode(msgspec.msgpack.encode(extract), type=FileExtract)


def lanes_of(session: SessionFiles) -> LaneSorter:
    sorter = LaneSorter(session.session_id)
    for file in session.files:
        sorter.add(stored(whole(file)), file.agent_id, None)
    return sorter


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: "/".join(root.parts[-2:]))
def test_an_extract_survives_being_stored(root: Path) -> None:
    """Decoding a stored extract gives it back, every entry of its own kind."""
    for file in files_of(root):
        extract = whole(file)
        assert extract.parts
        assert stored(extract) == extract
        assert [type(entry) for entry in stored(extract).entries()] == [type(entry) for entry in extract.entries()]


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: "/".join(root.parts[-2:]))
def test_a_file_read_in_pieces_says_what_it_says_as_a_whole(root: Path, tmp_path: Path) -> None:
    """However a file grows, byte by byte if need be, the stretches joined are the extract of the whole file."""
    chooser = random.Random(root.as_posix().count("a"))
    for file in files_of(root):
        cuts = [chooser.randrange(file.size_bytes) for _ in range(12)]
        joined, steps = in_pieces(file, tmp_path / "growing.jsonl", cuts)
        if steps[-1].tail is not None:
            joined.extend(steps[-1].tail)
        assert joined == whole(file)
        assert sum(step.account.lines for step in steps) + steps[-1].tail_account.lines == len(
            Path(file.path).read_bytes().splitlines()
        )


@pytest.mark.parametrize("root", ROOTS, ids=lambda root: "/".join(root.parts[-2:]))
def test_stored_extracts_count_what_counting_the_files_does(root: Path) -> None:
    """The census made of extracts is the census of the files."""
    for session in discover_sessions([root]):
        assert lanes_of(session).census() == take_census(session)[0]


def test_a_total_is_closed_by_a_line_of_a_later_piece(tmp_path: Path) -> None:
    """The time after a client's total is found though the file ended with the total when it was first read."""
    lines = [queue_operation(), prompt(), response("msg_1", at=5), cost_state("0.5"), prompt("again", at=9)]
    path = session_file(tmp_path, SID, *lines)
    (file,) = files_of(path)
    before_last = sum(len(dump(line)) for line in lines[:-1])
    joined, _ = in_pieces(file, tmp_path / "growing.jsonl", [before_last])
    assert [state.until_ns for state in joined.asides.cost_states] == [joined.last_ns]
    assert joined == whole(file)


def test_a_result_of_a_later_piece_finds_its_tool_call(tmp_path: Path) -> None:
    """What only the tool's name tells (a commit in a shell's output) is told of a result read later, too."""
    lines = [
        prompt(),
        response("msg_1", tool_use("toolu_1", "Bash", command="git commit -m x"), at=1),
        tool_result("toolu_1", "[main 1234567] x", at=2),
    ]
    path = session_file(tmp_path, SID, *lines)
    (file,) = files_of(path)
    joined, _ = in_pieces(file, tmp_path / "growing.jsonl", [sum(len(dump(line)) for line in lines[:2])])
    results = [result for entry in joined.entries() for result in getattr(entry, "results", ())]
    assert [commit.sha for result in results for commit in result.commits] == ["1234567"]


def test_a_line_without_newline_is_used_and_read_again(tmp_path: Path) -> None:
    """A complete last line counts at once; the checkpoint stays before it, so nothing is read twice or lost."""
    path = session_file(tmp_path, SID, prompt(), response("msg_1", at=1))
    data = path.read_bytes().rstrip(b"\n")
    path.write_bytes(data)
    (file,) = files_of(path)
    step = read_growth(file, START, list)
    assert step.tail is not None
    assert (list(step.extract.drafts), list(step.tail.drafts)) == ([], ["msg_1"])
    assert step.checkpoint.offset_bytes == data.rfind(b"\n") + 1
    path.write_bytes(data + b"\n")
    (file,) = files_of(path)
    again = read_growth(file, step.checkpoint, lambda: [step.extract])
    assert (list(again.extract.drafts), again.tail, again.account.lines) == (["msg_1"], None, 1)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: data[: len(data) // 2], id="truncated"),
        pytest.param(lambda data: data.replace(b"msg_1", b"msg_9"), id="a byte in the middle"),
        pytest.param(lambda data: b"", id="emptied"),
        pytest.param(lambda data: data[:5] + data, id="shifted"),
    ],
)
def test_a_rewritten_file_is_read_anew(tmp_path: Path, change: object) -> None:
    """A file that does not begin with what was read of it is read from the start."""
    path = session_file(tmp_path, SID, prompt(), response("msg_1", at=1), response("msg_2", at=2))
    (file,) = files_of(path)
    step = read_growth(file, START, list)
    path.write_bytes(change(path.read_bytes()))  # type: ignore[operator]
    again = read_growth(file, step.checkpoint, lambda: [step.extract])
    assert again.is_rewritten
    path_extract = read_growth(file, Checkpoint(), list)
    assert again.extract == path_extract.extract


def test_only_new_lines_are_decoded(tmp_path: Path) -> None:
    """Work is proportional to what is new: of a file of a thousand lines, one appended line is one line read."""
    path = session_file(tmp_path, SID, prompt(), *(response(f"msg_{number}", at=number) for number in range(1000)))
    (file,) = files_of(path)
    step = read_growth(file, START, list)
    with path.open("ab") as stream:
        stream.write(dump(response("msg_new", at=2000)))
    again = read_growth(file, step.checkpoint, lambda: [step.extract])
    assert (step.account.lines, again.account.lines, list(again.extract.drafts)) == (1001, 1, ["msg_new"])
