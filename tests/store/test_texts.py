from __future__ import annotations

import sqlite3

from otel_bridge.store.search import search_texts
from otel_bridge.store.texts import IndexedText, add_texts, delete_texts_of_file, set_session_texts
from tests.builders import session
from tests.store.index import add_words, index_of


def check_step(index: sqlite3.Connection) -> None:
    """Fail unless the index of words agrees with the texts."""
    index.execute("INSERT INTO texts_fts (texts_fts, rank) VALUES ('integrity-check', 1)")


def test_texts_are_added_with_their_words() -> None:
    """Under the session and file given, and counted."""
    index = index_of(session())
    texts = [IndexedText("prompt", 5, "", "count the gears"), IndexedText("path", 6, "toolu_1", "/src/gears.py")]
    assert add_texts(index, 1, 7, texts) == 2
    assert index.execute("SELECT session, file, kind, at_ns, ref, text FROM texts").fetchall() == [
        (1, 7, "prompt", 5, "", "count the gears"),
        (1, 7, "path", 6, "toolu_1", "/src/gears.py"),
    ]
    assert len(search_texts(index, "gears")) == 2
    assert add_texts(index, 1, 7, []) == 0
    check_step(index)


def test_texts_of_a_file_go_with_it() -> None:
    """Those of others stay, with and without a file."""
    index = index_of(session())
    add_words(index, "old gears", "old wheels", file_id=1)
    add_words(index, "new gears", file_id=2)
    set_session_texts(index, 1, {"title": "Gears"}, 9)
    assert delete_texts_of_file(index, 1) == 2
    assert [hit.snippet for hit in search_texts(index, "gears")] == ["[Gears]", "new [gears]"]
    assert search_texts(index, "wheels") == []
    assert delete_texts_of_file(index, 1) == 0
    check_step(index)


def test_paths_of_a_session_are_one_text_beside_its_title() -> None:
    """Both are found, and a change of one leaves the other alone."""
    index = index_of(session())
    assert set_session_texts(index, 1, {"title": "Gears", "path": "src/gears.py\nsrc/wheels.py"}, 9) == 2
    assert [hit.kind for hit in search_texts(index, "src/wheels")] == ["path"]
    assert set_session_texts(index, 1, {"title": "Wheels", "path": "src/gears.py\nsrc/wheels.py"}, 9) == 2
    assert {hit.kind for hit in search_texts(index, "wheels")} == {"title", "path"}
    check_step(index)


def test_a_session_has_one_title() -> None:
    """The same one again writes nothing, another one replaces it, none removes it."""
    index = index_of(session())
    add_words(index, "a prompt about gears")
    titles = ("Gears", "Gears", "Wheels", "", "")
    assert [set_session_texts(index, 1, {"title": title}, 9) for title in titles] == [1, 0, 2, 1, 0]
    set_session_texts(index, 1, {"title": "Wheels"}, 9)
    assert [hit.kind for hit in search_texts(index, "wheels")] == ["title"]
    assert [hit.kind for hit in search_texts(index, "gears")] == ["prompt"]
    check_step(index)
