"""``otel-bridge sync``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click
from msgspec import Struct

from otel_bridge.cli.destination import give_up_option
from otel_bridge.cli.indexed import Source, index_now, writer
from otel_bridge.cli.json_output import print_json
from otel_bridge.cli.keeping import Keeping, keeping_options
from otel_bridge.cli.options import Seconds, json_option, no_transcripts
from otel_bridge.cli.printable import say
from otel_bridge.settings import worker_count
from otel_bridge.telemetry import Signal

if TYPE_CHECKING:
    from otel_bridge.cli.destination import Destination
    from otel_bridge.pipeline.export import ExportSummary


class SyncReport(Struct):
    """What ``sync --json`` prints."""

    files: int
    files_read: int
    lines_read: int
    rows_written: int
    spans_sent: int = 0
    """Taken by the endpoint, as ``points_sent``."""
    points_sent: int = 0
    seconds: float = 0


@click.command("sync", epilog="Example: otel-bridge sync --json")
@keeping_options
@json_option
@give_up_option
@click.option("--wait", "wait_s", type=Seconds(min=0), default=0, metavar="SECONDS",
              help="Wait for another process that is writing the index.")  # fmt: skip
def command(*, keeping: Keeping, as_json: bool, give_up_s: float, wait_s: float) -> None:
    """Bring the index up to date in one pass and, with an endpoint, send what it was not sent.

    Only what is new is read, sent and written. An interrupted pass goes on where it was. Exits with 4 if the receiver
    did not take everything, with 5 if the index cannot be written.
    """
    started_s = time.monotonic()
    to, source = keeping.destination(), keeping.source()
    if not source.roots and not source.path.exists():
        raise no_transcripts(())
    done = index_now(source, command="sync", options=keeping.index_options(worker_count()), wait_s=wait_s)
    report = SyncReport(done.files, done.files_read, done.lines_read, done.rows_written)
    sent = None if to is None else _send(keeping, source, to, give_up_s=give_up_s, wait_s=wait_s)
    if sent is not None:
        report.spans_sent = sent.delivery.of(Signal.TRACES).accepted
        report.points_sent = sent.delivery.of(Signal.METRICS).accepted
    report.seconds = round(time.monotonic() - started_s, 3)
    if as_json:
        print_json(report)
    else:
        _say_report(report, source)
    if done.unreadable_files:
        say(f"! {done.unreadable_files:,} files cannot be read; `otel-bridge stats --json` names them")
    if to is not None and sent is not None:
        from otel_bridge.cli.shipping import check_delivery, say_summary

        if not as_json:
            say_summary(sent, to.places)
        check_delivery(sent)


def _send(keeping: Keeping, source: Source, to: Destination, *, give_up_s: float, wait_s: float) -> ExportSummary:
    from otel_bridge.cli.shipping import ship_pending
    from otel_bridge.pipeline.index.stored import StoredLibrary

    with writer(source, command="sync", wait_s=wait_s) as place:
        library = StoredLibrary(place.connection, now_ns=time.time_ns())
        return ship_pending(place, library, keeping.target(to, give_up_s=give_up_s))


def _say_report(report: SyncReport, source: Source) -> None:
    say(
        f"{report.files:,} files, {report.files_read:,} read ({report.lines_read:,} lines),"
        f" {report.rows_written:,} rows written to {source.path} in {report.seconds:g} s"
    )
