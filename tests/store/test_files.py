from __future__ import annotations

import math
import sqlite3
from typing import Any

import pytest

from otel_bridge.store import files
from otel_bridge.store.files import MERGED_AT_ONCE, StoredFile
from otel_bridge.store.texts import IndexedText, add_texts
from tests.store.index import index_of


@pytest.fixture
def index() -> sqlite3.Connection:
    return index_of()


def stored(path: str = "/a.jsonl", session_id: str = "s1", **known: Any) -> StoredFile:
    """Return a file of which nothing matters but what is given."""
    defaults: dict[str, Any] = {
        name: b"" if name in ("account", "tail_account") else 0 for name in StoredFile.__struct_fields__
    }
    facts = {"path": path, "session_id": session_id, "agent_id": None, "meta": None, "is_present": True}
    return StoredFile(**(defaults | facts | known))


def put(index: sqlite3.Connection, *found: StoredFile) -> list[int]:
    return [files.put_file(index, file) for file in found]


# --- rows ------------------------------------------------------------------------------------------------------------


def test_a_file_is_found_as_it_was_put(index: sqlite3.Connection) -> None:
    """By its number and by its session, every cell of it."""
    file = stored(agent_id="a1", account=b"account", meta=b"{}", inode=2**40, mtime_ns=1_772_442_061_000_000_001, crc=7)
    (number,) = put(index, file)
    assert number
    assert files.file_by_id(index, number) == file
    assert files.files_of_session(index, "s1") == [file]
    assert files.files_of_session(index, "s2") == []


def test_a_file_put_again_is_the_same_file(index: sqlite3.Connection) -> None:
    """Under another path too: it has moved."""
    (number,) = put(index, stored("/a.jsonl"))
    again = stored("/b.jsonl", size_bytes=9, id=number)
    assert put(index, again) == [number]
    assert files.files_of_session(index, "s1") == [again]


def test_all_files_come_without_what_is_large(index: sqlite3.Connection) -> None:
    """A pass looks at thousands of them, and at their accounts and meta files when they changed."""
    put(index, stored("/a.jsonl", account=b"x" * 1000, tail_account=b"x", meta=b"x", size_bytes=5), stored("/b.jsonl"))
    first, second = files.all_files(index)
    assert (first.path, first.size_bytes, second.path) == ("/a.jsonl", 5, "/b.jsonl")
    assert (first.account, first.tail_account, first.meta) == (None, None, None)


def test_files_at_some_paths_bring_the_others_of_their_sessions(index: sqlite3.Connection) -> None:
    """One of these may be what the file at a path was before it moved."""
    put(index, stored("/a", "s1"), stored("/a2", "s1"), stored("/b", "s2"), stored("/c", "s3"))
    assert sorted(file.path for file in files.files_at(index, ["/a", "/c", "/unknown"])) == ["/a", "/a2", "/c"]
    assert files.files_at(index, []) == []


def test_a_file_that_went_keeps_all_but_its_presence(index: sqlite3.Connection) -> None:
    """What is preserved only here is a query."""
    first, second = put(index, stored("/a", size_bytes=3), stored("/b"))
    files.add_chunk(index, first, b"said")
    files.mark_gone(index, [first])
    assert index.execute("SELECT path FROM files WHERE NOT is_present").fetchall() == [("/a",)]
    assert files.file_by_id(index, first) == stored("/a", size_bytes=3, is_present=0, id=first)
    assert files.read_chunks(index, first, with_tail=True) == [b"said"]
    assert files.file_by_id(index, second).is_present


# --- chunks ----------------------------------------------------------------------------------------------------------


def test_a_chunk_does_not_flush_the_word_index(index: sqlite3.Connection) -> None:
    """Words of many files are written at once, when the transaction ends."""
    (number,) = put(index, stored())
    index.execute("BEGIN")
    before = index.execute("SELECT count(*) FROM texts_fts_data").fetchone()
    add_texts(index, 1, number, [IndexedText("prompt", 5, "", "gears")])
    files.add_chunk(index, number, b"one")
    assert index.execute("SELECT count(*) FROM texts_fts_data").fetchone() == before
    index.execute("COMMIT")
    assert index.execute("SELECT count(*) FROM texts_fts_data").fetchone() > before


def test_chunks_come_in_the_order_of_their_lines_and_the_tail_last(index: sqlite3.Connection) -> None:
    """The line without newline is replaced, and asked for or not."""
    (number,) = put(index, stored())
    files.put_tail(index, number, b"t1")
    for data in (b"one", b"two"):
        files.add_chunk(index, number, data)
    files.put_tail(index, number, b"t2")
    files.add_chunk(index, number, b"three")
    assert files.read_chunks(index, number, with_tail=True) == [b"one", b"two", b"three", b"t2"]
    assert files.read_chunks(index, number, with_tail=False) == [b"one", b"two", b"three"]
    files.put_tail(index, number, None)
    assert files.read_chunks(index, number, with_tail=True) == [b"one", b"two", b"three"]


def test_a_file_that_is_read_anew_begins_without_chunks(index: sqlite3.Connection) -> None:
    """Its tail goes too."""
    (number,) = put(index, stored())
    files.add_chunk(index, number, b"one")
    files.put_tail(index, number, b"t")
    files.forget_chunks(index, number)
    assert files.read_chunks(index, number, with_tail=True) == []
    files.add_chunk(index, number, b"new")
    assert files.read_chunks(index, number, with_tail=True) == [b"new"]


def grow(index: sqlite3.Connection, number: int, lines: int) -> list[int]:
    """Add lines one by one as a pass does, and return how many bytes each merge wrote."""
    written = []
    for line in range(lines):
        files.add_chunk(index, number, b"%06d" % line)
        while merged := files.chunks_to_merge(index, number):
            data = b"".join(chunk.data for chunk in merged)
            written.append(len(data))
            files.merge_chunks(index, number, merged, data)
    return written


@pytest.mark.parametrize("lines", [1, MERGED_AT_ONCE - 1, MERGED_AT_ONCE, MERGED_AT_ONCE**2, 5000])
def test_a_file_grown_line_by_line_keeps_few_chunks_and_all_lines(index: sqlite3.Connection, lines: int) -> None:
    """The digits of the number of lines are the chunks of each level: their number grows as its logarithm."""
    (number,) = put(index, stored())
    files.put_tail(index, number, b"")
    written = grow(index, number, lines)
    assert b"".join(files.read_chunks(index, number, with_tail=True)) == b"".join(b"%06d" % n for n in range(lines))
    digits, rest = [], lines
    while rest:
        digits.append(rest % MERGED_AT_ONCE)
        rest //= MERGED_AT_ONCE
    counted = index.execute("SELECT level, count(*) FROM chunks WHERE number >= 0 GROUP BY level").fetchall()
    assert counted == [(level, digit) for level, digit in enumerate(digits) if digit]
    assert sum(written) <= 6 * lines * math.log(max(lines, 2), MERGED_AT_ONCE)


def test_chunks_of_two_levels_are_not_merged(index: sqlite3.Connection) -> None:
    """A large one would be written again for every few lines."""
    (number,) = put(index, stored())
    grow(index, number, MERGED_AT_ONCE + MERGED_AT_ONCE - 1)
    assert files.chunks_to_merge(index, number) == []
    assert [len(data) for data in files.read_chunks(index, number, with_tail=False)] == [6 * MERGED_AT_ONCE] + [6] * 15
