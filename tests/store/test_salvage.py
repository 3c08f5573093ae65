from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from otel_bridge.store import ledger, texts
from otel_bridge.store.database import FILE_NAME, open_writer
from otel_bridge.store.files import add_chunk, files_of_session, put_file, put_tail, read_chunks
from otel_bridge.store.ledger import SentSeries
from otel_bridge.store.rows import session_rows
from otel_bridge.store.salvage import Salvaged, discard, salvage, set_aside
from otel_bridge.store.tables import insert_sessions
from otel_bridge.store.texts import IndexedText
from tests.builders import model_call, session, turn
from tests.store.test_files import stored


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """Return an index of a transcript that is there and of one that is not, and what a target was sent of them."""
    present = tmp_path / "present.jsonl"
    present.write_text("")
    path = tmp_path / FILE_NAME
    with closing(open_writer(path)) as index:
        for name, file in (("gone", "/nonexistent.jsonl"), ("here", str(present))):
            known = session(turn("p1", model_call(f"req_{name}")), session_id=name)
            insert_sessions(index, [session_rows(known, user_name="ada")])
            number = put_file(index, stored(file, name, account=b"account", meta=b"{}"))
            add_chunk(index, number, b"said by " + name.encode())
            put_tail(index, number, b"half a line")
            texts.add_texts(index, 1, number, [IndexedText("prompt", 5, "", f"words of {name}")])
        target = ledger.target_id(index, "traces to a test")
        ledger.note_sent(index, target, [b"12345678", b"87654321"])
        ledger.note_shipped(index, target, "here", 4, {1: SentSeries(2)})
        index.execute("INSERT INTO pruned VALUES ('removed', 9, 'archive', 0, 1, 2)")
    return path


@pytest.fixture
def new(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    with closing(open_writer(tmp_path / "new" / FILE_NAME)) as connection:
        yield connection


def test_what_no_transcript_tells_is_carried_over(old: Path, new: sqlite3.Connection) -> None:
    """The file that is there no more with all it said, the words to search, whose session it was, and the ledger."""
    assert salvage(old, new) == Salvaged(files=1, sent=2)
    (file,) = files_of_session(new, "gone")
    assert (file.path, file.account, file.meta) == ("/nonexistent.jsonl", b"account", b"{}")
    assert read_chunks(new, file.id, with_tail=True) == [b"said by gone", b"half a line"]
    assert new.execute("SELECT session_id, user_name, calls FROM sessions").fetchall() == [("gone", "ada", 0)]
    found = new.execute("SELECT rowid FROM texts_fts WHERE texts_fts MATCH 'words'").fetchall()
    assert new.execute("SELECT id FROM texts WHERE text = 'words of gone'").fetchall() == found
    assert len(found) == 1
    target = ledger.known_target(new, "traces to a test")
    assert target is not None
    assert ledger.sent_keys(new, target, [b"12345678", b"87654321", b"unknown!"]) == {b"12345678", b"87654321"}
    assert (ledger.shipped_revision(new, target, "here"), ledger.shipped_series(new, target, "here")) == (
        4,
        {1: SentSeries(2)},
    )
    assert new.execute("SELECT session_id, archive FROM pruned").fetchall() == [("removed", "archive")]


def test_what_transcripts_tell_is_left_to_them(old: Path, new: sqlite3.Connection) -> None:
    """A damaged index may say anything."""
    salvage(old, new)
    assert files_of_session(new, "here") == []
    assert new.execute("SELECT count(*) FROM model_calls").fetchone() == (0,)


def test_carrying_over_a_second_time_changes_nothing(old: Path, new: sqlite3.Connection) -> None:
    """A recovery that was interrupted begins again."""
    salvage(old, new)
    before = [new.execute(f"SELECT * FROM {table}").fetchall() for table in ("files", "chunks", "sent", "shipped")]
    assert salvage(old, new).sent == 0
    after = [new.execute(f"SELECT * FROM {table}").fetchall() for table in ("files", "chunks", "sent", "shipped")]
    assert after == before


@pytest.mark.parametrize("content", [b"", b"no database" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_file_in_which_nothing_can_be_read_is_said_to_be_one(
    tmp_path: Path, new: sqlite3.Connection, content: bytes
) -> None:
    """And nothing is carried over."""
    path = tmp_path / "damaged"
    path.write_bytes(content)
    assert salvage(path, new) in (Salvaged(is_readable=False), Salvaged())
    assert salvage(path, new).is_readable is (not content)
    assert new.execute("SELECT count(*) FROM files").fetchone() == (0,)


def pages_of(path: Path, table: str) -> list[tuple[int, int]]:
    """Return where a table's rows lie: first byte and size of each page, in the order of the rows."""
    with closing(sqlite3.connect(path)) as connection:
        query = "SELECT pgoffset, pgsize FROM dbstat WHERE name = ? AND pagetype = 'leaf' ORDER BY path"
        try:
            return connection.execute(query, (table,)).fetchall()
        except sqlite3.OperationalError:
            pytest.skip("this SQLite does not tell where tables lie")


def test_rows_on_both_sides_of_a_damaged_place_are_carried_over(tmp_path: Path, new: sqlite3.Connection) -> None:
    """Only those that lie in it are lost."""
    path, keys = tmp_path / FILE_NAME, [number.to_bytes(8, "big") for number in range(5000)]
    with closing(open_writer(path)) as index:
        ledger.note_sent(index, ledger.target_id(index, "traces to a test"), keys)
    pages = pages_of(path, "sent")
    assert len(pages) > 6
    offset_bytes, size_bytes = pages[len(pages) // 2]
    with path.open("r+b") as file:
        file.seek(offset_bytes)
        file.write(b"\xff" * size_bytes)
    saved = salvage(path, new)
    assert len(keys) * 0.8 < saved.sent < len(keys)
    found = [key for (key,) in new.execute("SELECT key FROM sent ORDER BY key")]
    assert (found[0], found[-1], len(found)) == (keys[0], keys[-1], saved.sent)


# --- files -----------------------------------------------------------------------------------------------------------


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_damaged_index_is_kept_under_another_name_with_its_log(tmp_path: Path) -> None:
    """One that was kept before stays; a log beside another index would be taken for that one's."""
    for number in (1, 2):
        for suffix in ("", "-wal", "-shm"):
            (tmp_path / f"{FILE_NAME}{suffix}").write_text(f"{number}{suffix}")
        aside = set_aside(tmp_path / FILE_NAME)
        assert aside.name == f"index.damaged-{number}.sqlite3"
        assert aside.read_text() == str(number)
    assert names(tmp_path) == [
        f"index.damaged-{number}.sqlite3{suffix}" for number in (1, 2) for suffix in ("", "-shm", "-wal")
    ]


def test_an_index_without_a_log_is_set_aside_too(tmp_path: Path) -> None:
    """Nothing is made beside it."""
    (tmp_path / FILE_NAME).write_text("")
    set_aside(tmp_path / FILE_NAME)
    assert names(tmp_path) == ["index.damaged-1.sqlite3"]


def test_an_index_that_nobody_needs_goes_with_its_log(tmp_path: Path) -> None:
    """A half-made one of an interrupted recovery; where there is none, nothing happens."""
    for name in (FILE_NAME, f"{FILE_NAME}-wal", "other.sqlite3"):
        (tmp_path / name).write_text("")
    discard(tmp_path / FILE_NAME)
    discard(tmp_path / FILE_NAME)
    assert names(tmp_path) == ["other.sqlite3"]
