"""What a user asks for, as conditions of a query (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from msgspec import Struct

from otel_bridge.errors import UsageError
from otel_bridge.store.cells import storable, to_pusd
from otel_bridge.vcs import pull_request

_CHANGE = re.compile(r"(?P<repository>[^\s#]*)#(?P<number>\d{1,18})")
_LITERAL = re.compile(r'"(?P<phrase>[^"]*)(?P<end>"|$)|(?P<word>[^\s"]+)')
_FOLDER = r"rtrim(replace(sessions.project, '\', '/'), '/')"


class SessionFilter(Struct, frozen=True, kw_only=True):
    """Which sessions are meant; ``None`` leaves a question open."""

    project: str | None = None
    """A folder and all below it, or the last name of a folder."""
    branch: str | None = None
    """Any branch the session was on."""
    change: str | None = None
    """A pull request the session touched or has cost on: ``owner/name#12``, ``#12`` or its URL."""
    model: str | None = None
    """A part of the name of a model that answered, in any case."""
    user: str | None = None
    since_ns: int | None = None
    """A session belongs to the time it started in."""
    until_ns: int | None = None
    """Exclusive."""
    min_cost_usd: Decimal | None = None
    max_cost_usd: Decimal | None = None
    text: str | None = None
    """Words that all stand in one text of the session (``match_words``)."""
    is_only_here: bool = False
    """Of some of its transcripts the index has all that is left."""


class Condition(NamedTuple):
    """A condition on a row of ``sessions`` and the values it is bound to."""

    sql: str
    values: tuple[str | int, ...]


def conditions(wanted: SessionFilter) -> Condition:
    """Return what ``WHERE`` says so that only the wanted sessions are left.

    Raises:
        UsageError: ``change`` names no pull request.
    """
    parts = list(_conditions(wanted))
    sql = " AND ".join(f"({part.sql})" for part in parts) or "true"
    return Condition(sql, tuple(value for part in parts for value in part.values))


def match_words(text: str) -> str | None:
    """Return a query of FTS5 for texts that have all words; ``None`` where there is nothing to look for.

    What stands between quotes is a phrase. Nothing else has a meaning: each word is looked for as it is written, and
    what FTS5 takes for several (``src/app.py``) must stand side by side. The last word may be the beginning of one,
    unless it is quoted or has less than three ASCII letters: some word of nearly every text begins with these.
    """
    text = storable(text).replace("\0", " ")
    found = [part for part in _LITERAL.finditer(text) if any(map(str.isalnum, part[0]))]
    if not found:
        return None
    words = " ".join(f'"{part["phrase"] or part["word"]}"' for part in found)
    last = found[-1]
    is_whole = bool(last["end"]) or (len(last[0]) < 3 and last[0].isascii())
    return words if is_whole else f"{words}*"


def of_project(project: str) -> Condition:
    """Return the condition that a session ran in a folder or below it, or in a folder of that last name."""
    folder = storable(project).replace("\\", "/").rstrip("/")
    sql = f"{_FOLDER} = ? OR substr({_FOLDER}, 1, ?) = ?"
    values: tuple[str | int, ...] = (folder, len(folder) + 1, f"{folder}/")
    if "/" in folder:
        return Condition(sql, values)
    return Condition(f"{sql} OR substr('/' || {_FOLDER}, ?) = ?", (*values, -len(folder) - 1, f"/{folder}"))


def _conditions(wanted: SessionFilter) -> Iterator[Condition]:
    if wanted.project is not None:
        yield of_project(wanted.project)
    if wanted.branch is not None:
        yield _of_branch(storable(wanted.branch))
    if wanted.change is not None:
        yield _of_change(storable(wanted.change.strip()))
    if wanted.model is not None:
        yield Condition("instr(lower(sessions.models), lower(?))", (storable(wanted.model),))
    if wanted.user is not None:
        yield Condition("sessions.user_name = ?", (storable(wanted.user),))
    if wanted.since_ns is not None:
        yield Condition("sessions.started_ns >= ?", (wanted.since_ns,))
    if wanted.until_ns is not None:
        yield Condition("sessions.started_ns < ?", (wanted.until_ns,))
    if wanted.min_cost_usd is not None:
        yield Condition("sessions.cost_pusd >= ?", (to_pusd(wanted.min_cost_usd),))
    if wanted.max_cost_usd is not None:
        yield Condition("sessions.cost_pusd <= ?", (to_pusd(wanted.max_cost_usd),))
    if wanted.text is not None:
        yield _of_text(wanted.text)
    if wanted.is_only_here:
        yield Condition("sessions.session_id IN (SELECT session_id FROM files WHERE is_present = 0)", ())


def _of_branch(branch: str) -> Condition:
    on_it = "SELECT session FROM turns WHERE branch = ? UNION SELECT session FROM model_calls WHERE branch = ?"
    return Condition(f"sessions.id IN ({on_it})", (branch, branch))


def _of_change(change: str) -> Condition:
    touched = "SELECT session FROM changes WHERE (action IS NOT NULL OR cost_pusd <> 0) AND"
    if "://" in change:
        return Condition(f"sessions.id IN ({touched} url = ?)", (pull_request("", 0, change).url,))
    found = _CHANGE.fullmatch(change)
    if found is None:
        raise UsageError(f"{change!r} names no pull request; write owner/name#12, #12 or its URL")
    number = int(found["number"])
    if not found["repository"]:
        return Condition(f"sessions.id IN ({touched} repository <> '' AND number = ?)", (number,))
    return Condition(f"sessions.id IN ({touched} repository = ? AND number = ?)", (found["repository"], number))


def _of_text(text: str) -> Condition:
    query = match_words(text)
    if query is None:
        return Condition("false", ())
    sql = "sessions.id IN (SELECT session FROM texts WHERE id IN (SELECT rowid FROM texts_fts WHERE texts_fts MATCH ?))"
    return Condition(sql, (query,))
