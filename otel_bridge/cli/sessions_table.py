"""The lists of ``sessions`` and ``search`` for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

from otel_bridge.cli.printable import printable
from otel_bridge.cli.text import add_rows, console, cost, duration, make_table, tokens, usd
from otel_bridge.store.listing import SessionLine
from otel_bridge.store.search import SearchHit
from otel_bridge.totals import Totals

_NS_PER_S = 1_000_000_000
_LONGEST_TITLE = 48


def print_sessions(lines: Sequence[SessionLine], zone: tzinfo, *, shown: int) -> None:
    """Print the first sessions and the sum of all of them."""
    total = Totals()
    for line in lines:
        total.add(line)
    title = f"{len(lines):,} sessions" + (f", the first {shown}" if len(lines) > shown else "")
    left, right = ["session", "started", "project", "branch", "pull requests", "title"], ["duration", "calls", "tokens"]
    table = make_table(title, left, [*right, "cost USD"])
    out = console()
    out.print(add_rows(table, [_row(line, zone) for line in lines[:shown]]))
    out.print(f"All {len(lines):,}: {tokens(total.calls)} calls, {tokens(_tokens(total))} tokens, {cost(total)} USD")


def print_hits(hits: Sequence[SearchHit], zone: tzinfo, marks: tuple[str, str]) -> None:
    """Print texts found, best first; the words found, which stand between ``marks``, stand out."""
    from rich.text import Text

    out = console()
    begin, end = marks
    for hit in hits:
        head = f"{hit.session_id[:8]}  {local_time(hit.at_ns, zone)}  {hit.kind:<7}  {last_name(hit.project)}"
        line = Text(printable(head) + "  ", style="dim")
        for number, part in enumerate(hit.snippet.replace(end, begin).split(begin)):
            line.append(printable(part.replace("\n", " ")), style="bold red not dim" if number % 2 else "not dim")
        out.print(line, soft_wrap=True)


def local_time(at_ns: int, zone: tzinfo) -> str:
    """Return a time in a zone, to the minute; ``-`` for 0."""
    return datetime.fromtimestamp(at_ns // _NS_PER_S, UTC).astimezone(zone).strftime("%Y-%m-%d %H:%M") if at_ns else "-"


def last_name(folder: str | None) -> str:
    """Return the last part of a folder's path; ``-`` for none."""
    return (folder or "-").rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]


def _row(line: SessionLine, zone: tzinfo) -> tuple[str, ...]:
    title = line.title or ""
    return (
        line.session_id[:8] + (" (fork)" if line.forked_from else ""),
        local_time(line.started_ns, zone),
        last_name(line.project),
        line.branch or "-",
        " ".join(line.changes) or "-",
        title if len(title) <= _LONGEST_TITLE else title[: _LONGEST_TITLE - 1] + "…",
        duration(line.ended_ns - line.started_ns) + (" …" if line.open_until_ns else ""),
        tokens(line.calls),
        tokens(_tokens(line)),
        usd(line.cost_usd) + (f" + {line.unpriced_calls} unpriced" if line.unpriced_calls else ""),
    )


def _tokens(totals: Totals) -> int:
    return totals.input_tokens + totals.output_tokens + totals.cache_read_tokens + totals.cache_write_tokens
