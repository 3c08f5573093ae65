"""The report of ``otel-bridge stats`` for people."""

from __future__ import annotations

from collections import Counter

from msgspec import UNSET
from rich.console import Console

from otel_bridge.cli.printable import printable
from otel_bridge.cli.text import TOTALS_HEADERS, add_rows, console, make_table, totals_cells, usd
from otel_bridge.pipeline.changes import ChangeCost
from otel_bridge.pipeline.stats import SessionStats, Stats

_FIRST = 15
_REASONS = {
    "answered_model": "another model answered than was asked for, and the client prices the one asked for",
    "compaction": "compaction calls are in no transcript",
    "counters_only": "of some sessions the client's counters are all that was received: no call is known",
    "output_lower_bound": "some output counts are only lower bounds",
    "session_title": "title and other side calls are in no transcript",
    "unknown": "no reason found in the transcript",
    "unknown_model_price": "the client used a default price for a model it did not know",
}


def print_stats(stats: Stats, *, show_all: bool) -> None:
    """Print totals by model, day, project and session, then what the numbers leave open."""
    out = console()
    days = list(stats.by_day.items())[0 if show_all else -_FIRST :]
    by_cost = sorted(stats.sessions, key=lambda session: (-session.cost_usd, session.session_id))
    sessions = by_cost if show_all else by_cost[:_FIRST]
    models = make_table("By model", ["model"])
    out.print(add_rows(models, [(name, *totals_cells(totals)) for name, totals in stats.by_model.items()]), "")
    title = "By day" if len(days) == len(stats.by_day) else f"By day (last {len(days)} of {len(stats.by_day)})"
    rows = [(day, *totals_cells(totals)) for day, totals in days]
    out.print(add_rows(make_table(f"{title}, {stats.timezone}", ["day"]), rows), "")
    projects = _project_rows(stats)
    shown = projects if show_all else projects[:_FIRST]
    title = "By project" if len(shown) == len(projects) else f"By project (top {len(shown)} of {len(projects)})"
    out.print(add_rows(make_table(title, ["project"]), shown), "")
    title = "By session" if len(sessions) == len(by_cost) else f"By session (top {len(sessions)} of {len(by_cost)})"
    table = make_table(title, ["session", "project"], [*TOTALS_HEADERS, "client USD", "unrecorded"])
    out.print(add_rows(table, [_session_row(session) for session in sessions]), "")
    if stats.by_change is not UNSET:
        changes = stats.by_change if show_all else stats.by_change[:_FIRST]
        title = "By pull request" + ("" if len(changes) == len(stats.by_change) else f" (top {len(changes)})")
        table = make_table(title, ["pull request"], ["sessions", "cost USD"])
        out.print(add_rows(table, [_change_row(change) for change in changes]), "")
    out.print(add_rows(make_table("Total", [""]), [("all", *totals_cells(stats.totals))]), "")
    _print_notes(out, stats)


def _project_rows(stats: Stats) -> list[tuple[str, ...]]:
    """Return the rows of all projects; folders of one name are told apart by their paths."""
    names = Counter(_last_name(folder) for folder in stats.by_project)
    return [
        (folder if names[_last_name(folder)] > 1 else _last_name(folder), *totals_cells(totals))
        for folder, totals in stats.by_project.items()
    ]


def _last_name(folder: str | None) -> str:
    return (folder or "-").rstrip("/").rsplit("/", 1)[-1]


def _session_row(session: SessionStats) -> tuple[str, ...]:
    fork = " (fork)" if session.forked_from else ""
    return (
        session.session_id[:8] + fork,
        _last_name(session.project),
        *totals_cells(session),
        usd(session.client_cost_usd),
        usd(session.unrecorded_cost_usd) if session.client_cost_usd is not None else "-",
    )


def _change_row(change: ChangeCost) -> tuple[str, ...]:
    name = f"{change.repository}#{change.change_id}" if change.change_id else "(not attributed)"
    return name, f"{change.sessions:,}", usd(change.cost_usd)


def _print_notes(out: Console, stats: Stats) -> None:
    reasons = sorted({reason for session in stats.sessions for reason in session.unrecorded_reasons})
    if stats.unrecorded_cost_usd:
        out.print(
            f"Unrecorded: the clients' own totals are {usd(stats.unrecorded_cost_usd)} USD above ours."
            if stats.unrecorded_cost_usd > 0
            else f"The clients' own totals are {usd(-stats.unrecorded_cost_usd)} USD below ours."
        )
        for reason in reasons:
            out.print(f"  - {_REASONS[reason]}")
    lower = sum(session.lower_bound_calls for session in stats.sessions)
    if lower:
        out.print(f"Lower bound: {lower:,} calls have no final output count (clients before 2.1.98).")
    unpriced = sorted({model for session in stats.sessions for model in session.unpriced_models})
    if unpriced:
        _say(out, f"Unpriced: no list price is known for {', '.join(unpriced)}.")
    if stats.lines.problem_count:
        first = stats.problems[0]
        _say(
            out,
            f"Problems: {stats.lines.problem_count:,} in {stats.lines.lines:,} lines, first {first.path}:{first.line}"
            f" {first.reason} ({first.detail}); --json lists them.",
        )


def _say(out: Console, sentence: str) -> None:
    """Print a sentence with words from transcripts in it: they are neither markup nor commands to the terminal."""
    out.print(printable(sentence), markup=False)
