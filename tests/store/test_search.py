from __future__ import annotations

import sqlite3

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from otel_bridge.store.filters import match_words
from otel_bridge.store.search import SearchHit, search_texts
from otel_bridge.store.texts import IndexedText, add_texts
from tests.builders import session
from tests.store.index import add_words, index_of


def found(index: sqlite3.Connection, query: str) -> list[str]:
    """Return the snippets of a search."""
    return [hit.snippet for hit in search_texts(index, query, marks=("", ""))]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("totals", "/home/dev/otel_bridge/totals.py"),
        ("bridge/totals", "/home/dev/otel_bridge/totals.py"),
        ("otel_bridge", "/home/dev/otel_bridge/totals.py"),
        ("tot", "/home/dev/otel_bridge/totals.py"),
        ("totals.py", "/home/dev/otel_bridge/totals.py"),
        ("by_model", "add up by_model please"),
        ("make-docs", "run make-docs --check"),
        ("--check", "run make-docs --check"),
        ("größe", "Die Größe der Straße"),
        ("GRÖSSE", "DIE GRÖSSE"),
        ("Ubersicht", "Übersicht zeigen"),
        ("日", "日本 の テスト"),
        ("bytes \udcff", "bytes \\udcff of a name"),
        ("zeigen Übersicht", "Übersicht zeigen"),
        ('"Übersicht zeigen"', "Übersicht zeigen"),
        ('say "not found', 'they say "not found" again'),
        ("a b", "b and a"),
        ("NEAR(", "is it near( or NEAR (x)"),
        ("gears AND wheels", "gears and wheels"),
        ("gears*", "gears (all of them)"),
        ("key:value", "the key:value pair"),
        ("^gears", "no gears"),
        ("can't", "I can't do that"),
        ("2.1.181", "since 2.1.181"),
        ("foo\0bar", "foo bar"),
    ],
)
def test_a_text_is_found_by_what_stands_in_it(query: str, text: str) -> None:
    """Parts of paths and identifiers, words with marks, any order; what looks like syntax is text."""
    index = index_of(session())
    add_words(index, "something else", text)
    assert found(index, query) == [text]


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("gear wheels", "gears and wheels"),
        ('"gear"', "gears and wheels"),
        ('"wheels gears"', "gears and wheels"),
        ("wheels/gears", "gears and wheels"),
        ("ge", "gears and wheels"),
        ("gears pedals", "gears and wheels"),
        ("ears", "gears and wheels"),
        ("gears OR pedals", "gears and wheels"),
        ("", "gears and wheels"),
        ('"" * ( ) -', "gears and wheels"),
    ],
)
def test_a_text_is_not_found_by_what_does_not(query: str, text: str) -> None:
    """All words must be there, whole but for the last one, phrases in their order; without a word there is no hit."""
    index = index_of(session())
    add_words(index, text)
    assert found(index, query) == []


words = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from('"*():^-+{}'), max_size=12)


@given(words, words)
@example('"', "x")
@example('a"b', 'a"b')
def test_no_query_is_an_error(query: str, text: str) -> None:
    """Whatever is typed; and a text that holds it is found by it, if there is a letter or digit to look for."""
    index = index_of(session())
    add_words(index, text, f"before {query} after")
    hits = search_texts(index, query)
    if any(character.isascii() and character.isalnum() for character in query):
        assert 2_000_000_000 in [hit.at_ns for hit in hits]
    assert match_words(query) is not None or hits == []


def test_the_best_come_first_and_of_equals_the_newest() -> None:
    """A short text about the word is better than a long one that mentions it."""
    index = index_of(session())
    add_words(index, "gears " + "and more " * 30, "the gears", "my gears")
    assert [hit.at_ns for hit in search_texts(index, "gears")] == [3_000_000_000, 2_000_000_000, 1_000_000_000]


def test_a_hit_says_where_it_stands() -> None:
    """Session, project, title, what kind of text, when, and what it belongs to, with the words marked."""
    index = index_of(session(session_id="s1", project="/home/dev/widgets", title="Gears"))
    add_words(index, "run the gears now")
    assert search_texts(index, "gears run", marks=("<", ">")) == [
        SearchHit("s1", "/home/dev/widgets", "Gears", "prompt", 1_000_000_000, "ref-1", "<run> the <gears> now")
    ]


def test_a_long_text_is_cut_around_the_words() -> None:
    """The reader sees why it was found."""
    index = index_of(session())
    add_words(index, "before " * 100 + "gears " + "after " * 100)
    (snippet,) = found(index, "gears")
    assert len(snippet) < 200
    assert "gears" in snippet
    assert (snippet[0], snippet[-1]) == ("…", "…")


def test_a_search_can_be_narrowed() -> None:
    """By kind of text, by project, by time; and no more than asked for."""
    first = session(session_id="s1", project="/home/dev/widgets")
    index = index_of(first, session(session_id="s2", project="/home/dev/gears"))
    add_words(index, "gears one", "gears two", "gears three")
    add_words(index, "make gears", kind="command")
    add_texts(index, 2, 9, [IndexedText("prompt", 9_000_000_000, "", "gears elsewhere")])
    assert {hit.kind for hit in search_texts(index, "gears", kinds=["command"])} == {"command"}
    assert len(search_texts(index, "gears", kinds=["command", "prompt"])) == 5
    assert {hit.session_id for hit in search_texts(index, "gears", project="gears")} == {"s2"}
    assert {hit.at_ns for hit in search_texts(index, "gears", since_ns=3_000_000_000)} == {3_000_000_000, 9_000_000_000}
    assert len(search_texts(index, "gears", limit=2)) == 2
    narrow = search_texts(index, "gears", kinds=["prompt"], project="widgets", since_ns=2_000_000_000, limit=1)
    assert [hit.snippet for hit in narrow] == ["[gears] three"]
