from __future__ import annotations

from pathlib import Path

import pytest

from otel_bridge.sources.transcript.reader import LineReader


def lines_of(path: Path, max_line_bytes: int = 64) -> list[tuple[int, int, bytes]]:
    """Return number, offset and bytes of each line given."""
    reader = LineReader(str(path), max_line_bytes)
    return [(reader.number, reader.offset_bytes, raw) for raw in reader]


def test_lines_come_with_number_and_offset(tmp_path: Path) -> None:
    """Numbers count from 1 and offsets are bytes, not characters; line ends stay on the lines."""
    path = tmp_path / "a.jsonl"
    path.write_bytes("å\nb\r\n\nd".encode())
    assert lines_of(path) == [(1, 0, "å\n".encode()), (2, 3, b"b\r\n"), (3, 6, b"\n"), (4, 7, b"d")]


@pytest.mark.parametrize("padding", [0, 5000])
def test_a_line_over_the_limit_is_cut_and_the_next_one_is_whole(tmp_path: Path, padding: int) -> None:
    """The reader never holds more of a line than the limit allows, and finds the line after it."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"short\n" + b"x" * (100 + padding) + b"\nafter\n" + b"y" * 70)
    assert lines_of(path) == [
        (1, 0, b"short\n"),
        (2, 6, b"x" * 65),
        (3, 107 + padding, b"after\n"),
        (4, 113 + padding, b"y" * 65),
    ]


@pytest.mark.parametrize("length", [63, 64])
def test_a_line_of_exactly_the_limit_is_whole(tmp_path: Path, length: int) -> None:
    """The limit is what a line may have, its end not counted."""
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"x" * length + b"\nafter\n")
    assert [raw for _, _, raw in lines_of(path)] == [b"x" * length + b"\n", b"after\n"]


def test_an_empty_file_has_no_lines(tmp_path: Path) -> None:
    """Nothing is given for a file that was only created."""
    path = tmp_path / "a.jsonl"
    path.touch()
    assert lines_of(path) == []


def test_a_file_that_is_gone_raises(tmp_path: Path) -> None:
    """The caller decides what a vanished file means."""
    with pytest.raises(OSError, match="No such file"):
        lines_of(tmp_path / "gone.jsonl")
