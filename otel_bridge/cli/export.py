"""``otel-bridge export``."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import click

from otel_bridge.cli.destination import (
    destination,
    endpoint_option,
    open_local_sinks,
    open_sink,
    protocol_option,
    without_missing_pipelines,
)
from otel_bridge.cli.json_output import print_json
from otel_bridge.cli.options import common_options, find_sessions
from otel_bridge.cli.printable import printable
from otel_bridge.convert import ContentPolicy, ConvertOptions
from otel_bridge.errors import DeliveryError, UsageError
from otel_bridge.pipeline.export import ExportSummary, export_sessions
from otel_bridge.pipeline.sessions import SessionLibrary
from otel_bridge.resource import resource_attributes
from otel_bridge.settings import environment, worker_count
from otel_bridge.telemetry import Signal

_REFRESH_S = 0.1


@click.command("export", epilog="Example: otel-bridge export --endpoint http://localhost:4318")
@common_options
@endpoint_option
@protocol_option
@click.option("--only", type=click.Choice([signal.value for signal in Signal]), multiple=True,
              help="Send only this signal; may be repeated.")  # fmt: skip
@click.option("--to-file", metavar="FILE", help="Write OTLP/JSON lines as the collector does; - for stdout.")
@click.option("--console", "to_console", is_flag=True, help="Print the spans as a tree.")
@click.option("--content", type=click.Choice(["off", "messages", "tools", "all"]), default="off", show_default=True,
              help="Send texts too, secrets redacted and cut to --content-bytes.")  # fmt: skip
@click.option("--content-bytes", type=click.IntRange(min=64), default=2048, show_default=True, metavar="N",
              help="Longest text sent.")  # fmt: skip
@click.option("--give-up", "give_up_s", type=click.FloatRange(min=0), default=60, show_default=True, metavar="SECONDS",
              help="How long to try again a request that finds nobody or a busy receiver.")  # fmt: skip
@click.option("--include-open", is_flag=True, help="Also send turns that may still grow.")
@click.option("--no-session-id", is_flag=True,
              help="Metrics without session ids: fewer series, exact only in one export of everything.")  # fmt: skip
@click.option("--paths", "with_paths", is_flag=True, help="Send working folders and file names too.")
def command(
    *,
    paths: tuple[Path, ...],
    as_json: bool,
    or_samples: bool,
    endpoint: str | None,
    protocol: str | None,
    only: tuple[str, ...],
    to_file: str | None,
    to_console: bool,
    content: str,
    content_bytes: int,
    give_up_s: float,
    include_open: bool,
    no_session_id: bool,
    with_paths: bool,
) -> None:
    """Send sessions as OpenTelemetry GenAI spans, events and metrics.

    The same transcripts always give the same telemetry at the same times, so sending again adds nothing new. A turn
    that may still grow is held back until it is over; metrics count it already. Exits with 4 if the receiver did not
    take everything.
    """
    if as_json + to_console + (to_file == "-") > 1:
        raise UsageError("--json, --console and --to-file - all write to the standard output: give one of them")
    signals = tuple(map(Signal, only)) or tuple(Signal)
    to = destination(environment(), signals, endpoint=endpoint, protocol=protocol, file=to_file, to_console=to_console)
    options = ConvertOptions(
        resource=resource_attributes(environment()),
        content=_content_policy(content, content_bytes),
        include_open=include_open,
        metrics_by_session=not no_session_id,
        paths=with_paths,
    )
    files = find_sessions(paths, or_samples=or_samples)
    sizes = {session.session_id: session.size_bytes for session in files}
    local = open_local_sinks(to)
    now_ns = time.time_ns()
    with ExitStack() as undo, _progress(sum(sizes.values())) as (counted, sent):
        for opened in local:
            undo.callback(opened.abort)  # does nothing once it is closed
        library = SessionLibrary(
            files, now_ns=now_ns, workers=worker_count(), keep_content=content != "off", progress=counted
        )
        library.count()
        if not only:
            to = without_missing_pipelines(to)
        for sentence in to.nowhere:
            _say(f"! {sentence}")
        sink = open_sink(to, local, give_up_s=give_up_s, notify=_say)
        summary = export_sessions(
            library,
            sink,
            options,
            signals=signals,
            unaware=library.unaware,
            progress=lambda session: sent(sizes[session.id]),
        )
    _print_summary(summary, to.places, as_json=as_json)
    if not summary.is_complete:
        lost = summary.delivery.total
        raise DeliveryError(f"{lost.rejected:,} items rejected, {lost.undelivered:,} not delivered (see the summary)")


def _content_policy(content: str, max_bytes: int) -> ContentPolicy:
    return ContentPolicy(
        messages=content in ("messages", "all"), tools=content in ("tools", "all"), max_bytes=max_bytes
    )


@contextmanager
def _progress(size_bytes: int) -> Iterator[tuple[Callable[[int], None], Callable[[int], None]]]:
    """Show a bar for counting and one for sending on stderr, where that is a terminal."""
    if not sys.stderr.isatty():
        yield _ignore, _ignore
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<8}"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    # without a thread of its own: counting forks, see SessionLibrary.count
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
        shown_at = -_REFRESH_S
        tasks = [progress.add_task(name, total=size_bytes) for name in ("counting", "sending")]

        def advance(task: TaskID, done: int) -> None:
            nonlocal shown_at
            progress.advance(task, done)
            if time.monotonic() - shown_at >= _REFRESH_S:
                progress.refresh()
                shown_at = time.monotonic()

        yield partial(advance, tasks[0]), partial(advance, tasks[1])


def _say(line: str) -> None:
    click.echo(printable(line), err=True)


def _ignore(size_bytes: int) -> None:
    pass


def _print_summary(summary: ExportSummary, places: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    accepted = summary.delivery.total
    lines = [
        f"{summary.sessions:,} sessions, {summary.turns:,} turns, {summary.calls:,} model calls,"
        f" {summary.cost_usd:,.4f} USD" + (f" + {summary.unpriced_calls} unpriced" if summary.unpriced_calls else ""),
        f"{summary.spans:,} spans, {summary.events:,} events and {summary.data_points:,} data points"
        f" to {', '.join(places)}:"
        f" {accepted.accepted:,} accepted, {accepted.rejected:,} rejected, {accepted.undelivered:,} undelivered"
        + (f", {accepted.skipped:,} skipped (no endpoint for them)" if accepted.skipped else ""),
    ]
    if summary.open_turns:
        lines.append(f"{summary.open_turns:,} turns are still open and were held back (--include-open sends them)")
    if summary.problem_count:
        lines.append(f"{summary.problem_count:,} problems in the transcripts; `otel-bridge stats --json` lists them")
    lines += [f"! {failure}" for failure in summary.delivery.failures]
    lines += [f"! rejected {entry.item}: {entry.reason}" for entry in summary.delivery.rejections[:10]]
    for line in lines:
        _say(line)
