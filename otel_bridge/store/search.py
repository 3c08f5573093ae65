"""Texts found by their words (I/O)."""

from __future__ import annotations

from collections.abc import Collection
from sqlite3 import Connection

from msgspec import Struct

from otel_bridge.store.cells import fitting
from otel_bridge.store.filters import match_words, of_project

_SNIPPET_WORDS = 24


class SearchHit(Struct, frozen=True):
    """One text that has all the words."""

    session_id: str
    project: str | None
    title: str | None
    kind: str
    """What the text is: one of ``texts.KINDS``."""
    at_ns: int
    ref: str
    """Id of the tool call or key of the turn it belongs to; empty where there is none."""
    snippet: str
    """The part of the text with most of the words."""


def search_texts(
    connection: Connection,
    query: str,
    *,
    kinds: Collection[str] = (),
    project: str | None = None,
    since_ns: int | None = None,
    limit: int = 20,
    marks: tuple[str, str] = ("[", "]"),
) -> list[SearchHit]:
    """Return the texts that have all words of a query (``filters.match_words``), best first, of equals the newest.

    ``kinds`` are the kinds of text wanted (none: all), ``project`` is read as in ``SessionFilter``, and ``since_ns`` is
    the earliest time of a text. ``marks`` are put around the words found in a snippet.
    """
    words = match_words(query)
    if words is None:
        return []
    tests: list[str] = []
    values: list[str | int] = []
    if kinds:
        tests.append(f"texts.kind IN ({', '.join('?' * len(kinds))})")
        values += kinds
    if since_ns is not None:
        tests.append("texts.at_ns >= ?")
        values.append(since_ns)
    if project is not None:
        sql, folders = of_project(project)
        tests.append(f"texts.session IN (SELECT id FROM sessions WHERE {sql})")
        values += folders
    best = _BEST.format("".join(f" AND {test}" for test in tests))
    rows = connection.execute(f"{best} {_SHOWN}", (words, *values, fitting(limit), *marks, words))
    return [SearchHit(*row) for row in rows]


_BEST = (
    "WITH best AS MATERIALIZED (SELECT texts.id AS id, bm25(texts_fts) AS score, texts.at_ns AS at_ns"
    " FROM texts_fts CROSS JOIN texts ON texts.id = texts_fts.rowid"
    " WHERE texts_fts MATCH ?{} ORDER BY score, texts.at_ns DESC, texts.id LIMIT ?)"
)
_SHOWN = (
    "SELECT sessions.session_id, sessions.project, sessions.title, texts.kind, texts.at_ns, texts.ref,"
    f" snippet(texts_fts, 0, ?, ?, '…', {_SNIPPET_WORDS})"
    " FROM best CROSS JOIN texts_fts ON texts_fts.rowid = best.id AND texts_fts MATCH ?"
    " CROSS JOIN texts ON texts.id = best.id CROSS JOIN sessions ON sessions.id = texts.session"
    " ORDER BY best.score, best.at_ns DESC, best.id"
)
"""Snippets are cut for the best alone: cutting one for every hit takes longer than all else."""
