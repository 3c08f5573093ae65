"""``tasks.json``: what the tasks that people keep a list of took, filled into their own text (pure).

Written are each task's ``sessions``, its ``cost_usd`` where there is none, and the totals; all else stays as it is, to
the byte. A cost that somebody put in is never changed. One that was filled in before is brought up to date, as long as
it is still what was filled in and all sessions it came from are known: transcripts do not live as long as the list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal
from fractions import Fraction
from math import floor
from typing import Any, NamedTuple

from otel_bridge.errors import UsageError
from otel_bridge.json_text import parse, rewritten
from otel_bridge.reports.active_time import GAP_NS, active_ns, whole_minutes
from otel_bridge.reports.task_frames import Frame, stated_duration_ns, task_frame
from otel_bridge.reports.work import MONEY_DIGITS, SessionWork, all_tokens, known_cost_usd, plain_usd, shown_usd, total

_TOTALS = (
    *("total_tasks", "total_duration_minutes", "total_tokens"),
    *("total_commits", "total_cost_usd", "total_sessions"),
)

Task = Mapping[str, Any]


class FilledTasks(NamedTuple):
    """The document with its gaps filled."""

    text: str
    costs_usd: dict[str, Decimal]
    """Costs by task id that were filled in, now or before, and not changed by anybody since."""
    notes: list[str]
    """Sentences on tasks whose times cannot be read: they get no sessions."""


class _Share(NamedTuple):
    """A session in a task, and the part of it that belongs there."""

    work: SessionWork
    part: Fraction


def fill_tasks(
    text: str,
    works: Sequence[SessionWork],
    zone: tzinfo,
    *,
    name: str,
    gap_ns: int = GAP_NS,
    ours_usd: Mapping[str, Decimal] = {},
) -> FilledTasks:
    """Return the text of ``name`` with sessions, costs and totals; ``ours_usd`` is what was filled in before.

    Raises:
        UsageError: it is no such document; the sentence names it, what was seen and what to do.
    """
    try:
        document, notes = parse(text), list[str]()
        tasks = _tasks_of(document)
        frames = [_frame(task, zone, notes) for task in tasks]
        shares = _shares(frames, works)
        known = {work.id for work in works}
        filled = [
            task if frame is None else _filled(task, own, known, ours_usd)
            for task, frame, own in zip(tasks, frames, shares, strict=True)
        ]
        totals = _totals(filled, frames, shares, works, gap_ns)
        changed = rewritten(text, _with_totals({**document, "tasks": filled}, totals))
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{name}: {error}. It must be a JSON object with a list `tasks` of objects; nothing was written: mend it or"
            " name another file with --file"
        ) from None
    return FilledTasks(changed, _ours(tasks, filled, ours_usd), [f"{name}: {note}" for note in notes])


def _tasks_of(document: Any) -> list[Task]:
    if not isinstance(document, dict):
        raise ValueError(f"found {_kind(document)}")
    tasks = document.get("tasks")
    if not isinstance(tasks, list):
        raise ValueError("it has no `tasks`" if tasks is None else f"`tasks` is {_kind(tasks)}")
    for index, task in enumerate(tasks):
        if not isinstance(task, dict):
            raise ValueError(f"`tasks[{index}]` is {_kind(task)}")
    if not isinstance(document.get("totals"), dict | None):
        raise ValueError(f"`totals` is {_kind(document['totals'])}")
    return tasks


def _kind(value: Any) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")


def _frame(task: Task, zone: tzinfo, notes: list[str]) -> Frame | None:
    try:
        return task_frame(task, zone)
    except ValueError as error:
        notes.append(f"task {task.get('id')!r} gets no sessions: {error}")
        return None


def _shares(frames: Sequence[Frame | None], works: Sequence[SessionWork]) -> list[list[_Share]]:
    """Return for each task its sessions; one of several tasks is shared in proportion to the time they had together."""
    shares: list[list[_Share]] = [[] for _ in frames]
    for work in works:
        weights = [frame.weight(work) if frame else 0 for frame in frames]
        whole = sum(weights)
        for own, weight in zip(shares, weights, strict=True):
            if weight:
                own.append(_Share(work, Fraction(weight) / whole))
    return shares


def _filled(task: Task, shares: Sequence[_Share], known: set[str], ours_usd: Mapping[str, Decimal]) -> Task:
    """Return the task with its sessions and cost; sessions nothing is known of (any more) stay in its list."""
    listed = task.get("sessions")
    entries = listed if isinstance(listed, list) else []
    unknown = [entry for entry in entries if not isinstance(entry, str) or entry not in known]
    sessions = {"sessions": unknown + [share.work.id for share in shares]}
    cost_usd = task.get("cost_usd")
    if cost_usd is None or (not unknown and cost_usd == ours_usd.get(_key(task))):
        now_usd = _cost_usd(shares)
        return {**task, **({} if now_usd is None else {"cost_usd": now_usd}), **sessions}
    return {**task, **sessions}


def _key(task: Task) -> str:
    return str(task.get("id"))


def _cost_usd(shares: Sequence[_Share]) -> Decimal | None:
    """Return the sum of what is known, rounded down: all tasks together never cost more than the sessions."""
    costs = [(known_cost_usd(share.work.totals), share.part) for share in shares]
    priced = [Fraction(cost) * part for cost, part in costs if cost is not None]
    return plain_usd(floor(sum(priced) / Fraction(MONEY_DIGITS)) * MONEY_DIGITS) if priced else None


def _totals(
    tasks: Sequence[Task],
    frames: Sequence[Frame | None],
    shares: Sequence[Sequence[_Share]],
    works: Sequence[SessionWork],
    gap_ns: int,
) -> dict[str, Any]:
    totals = total(work.totals for work in works)
    durations = map(_duration_ns, tasks, frames, shares, [gap_ns] * len(tasks))
    figures = (
        *(len(tasks), whole_minutes(sum(durations)), all_tokens(totals)),
        *(_commits(tasks, works), shown_usd(known_cost_usd(totals)), len(works)),
    )
    return dict(zip(_TOTALS, figures, strict=True))


def _duration_ns(task: Task, frame: Frame | None, shares: Sequence[_Share], gap_ns: int) -> int:
    """Return how long a task says it took, else from its start to its end, else how long its sessions were active."""
    stated_ns = stated_duration_ns(task)
    if stated_ns is not None or frame is None:
        return stated_ns or 0
    if frame.is_stated:
        return frame.end_ns - frame.start_ns
    moments = {at_ns for share in shares for at_ns in share.work.moments if frame.start_ns <= at_ns < frame.end_ns}
    return active_ns(sorted(moments), gap_ns)


def _commits(tasks: Sequence[Task], works: Sequence[SessionWork]) -> int:
    """Return the commits that tasks tell of (a number or a list); where none does, those that sessions made."""
    told = [task["commits"] for task in tasks if type(task.get("commits")) in {int, list}]
    if told:
        return sum(len(commits) if isinstance(commits, list) else commits for commits in told)
    return len(frozenset[str]().union(*(work.commits for work in works)))


def _with_totals(document: dict[str, Any], totals: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with totals where it keeps them: in ``totals``, or side by side with the tasks."""
    if document.get("totals") is None and any(name in document for name in _TOTALS):
        return {**document, **totals}
    return {**document, "totals": {**(document.get("totals") or {}), **totals}}


def _ours(tasks: Sequence[Task], filled: Sequence[Task], before: Mapping[str, Decimal]) -> dict[str, Decimal]:
    ours: dict[str, Decimal] = {}
    for old, new in zip(tasks, filled, strict=True):
        was, now, key = old.get("cost_usd"), new.get("cost_usd"), _key(old)
        if isinstance(now, Decimal | int) and (was is None or was == before.get(key)):
            ours[key] = Decimal(now)
    return ours
