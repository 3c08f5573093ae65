"""Sessions sent to endpoints by the ledger, and what a command says of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from otel_bridge.cli.destination import Destination, open_sink
from otel_bridge.cli.printable import say
from otel_bridge.cli.progress import progress_bars
from otel_bridge.errors import DeliveryError
from otel_bridge.output import GrowingFile
from otel_bridge.pipeline.export import ExportSummary
from otel_bridge.pipeline.index.dispatch import Target
from otel_bridge.pipeline.index.ledger import Ledger
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.pipeline.index.shipping import ShipOptions, Shipper
from otel_bridge.pipeline.sessions import Library
from otel_bridge.semconv import SCOPE
from otel_bridge.sinks import Sink
from otel_bridge.sinks.copy import CopyingSink
from otel_bridge.sinks.file import FileSink
from otel_bridge.sinks.otlp.delivery import OnSettled
from otel_bridge.telemetry import Signal


def target_of(
    to: Destination,
    options: ShipOptions,
    *,
    give_up_s: float,
    notify: Callable[[str], None] = say,
    is_modest: bool = False,
    file: GrowingFile | None = None,
) -> Target:
    """Return the endpoints of a destination as a target of the ledger; without any, the file.

    A file beside endpoints is a copy of what they have answered for good.
    """

    def open_remote(on_settled: OnSettled) -> Sink:
        return open_sink(to, [], give_up_s=give_up_s, notify=notify, on_settled=on_settled, is_modest=is_modest)

    def open_target(on_settled: OnSettled) -> Sink:
        if file is None:
            return open_remote(on_settled)
        if to.otlp:
            return CopyingSink(open_remote, FileSink(file, SCOPE), on_settled)
        return FileSink(file, SCOPE, on_settled)

    places = {config.signal: f"{config.signal} to {config.target.place}" for config in to.otlp}
    if file is not None and not to.otlp:
        places = {signal: f"{signal} to {to.file}" for signal in Signal}
    return Target(places, open_target, options)


def ship_pending(place: IndexPlace, library: Library, target: Target) -> ExportSummary:
    """Send what the target lacks of the sessions of a library, with a bar on stderr where that takes a while."""
    now_ns = time.time_ns()
    ledger = Ledger(place.connection, target.places)
    known = set(library.session_ids)
    pending = [session_id for session_id in ledger.pending(now_ns) if session_id in known]
    idle = [session_id for session_id in ledger.idle_sessions(target.options.idle_ns, now_ns) if session_id in known]
    shipper = Shipper(library, ledger, target.open_sink, target.options, now_ns=now_ns)
    with progress_bars("sending", in_bytes=False) as (set_progress,):
        return shipper.ship(pending, idle=idle, progress=set_progress)


def say_summary(summary: ExportSummary, places: Sequence[str], *, if_open: str = "") -> None:
    """Tell what was made and what became of it; ``if_open`` is what can be done about turns that were held back."""
    total = summary.delivery.total
    lines = [
        f"{summary.sessions:,} sessions, {summary.turns:,} turns, {summary.calls:,} model calls,"
        f" {summary.cost_usd:,.4f} USD" + (f" + {summary.unpriced_calls} unpriced" if summary.unpriced_calls else ""),
        f"{summary.spans:,} spans, {summary.events:,} events and {summary.data_points:,} data points"
        f" made for {', '.join(places)}:"
        f" {total.accepted:,} accepted, {total.rejected:,} rejected, {total.undelivered:,} undelivered"
        + (f", {total.skipped:,} skipped (no endpoint for them)" if total.skipped else ""),
    ]
    if summary.open_turns:
        lines.append(f"{summary.open_turns:,} turns are still open and were held back{if_open}")
    if summary.problem_count:
        lines.append(f"{summary.problem_count:,} problems in the transcripts; `otel-bridge stats --json` lists them")
    lines += [f"! {sentence}" for sentence in (*summary.faults, *summary.delivery.failures)]
    lines += [f"! rejected {entry.item}: {entry.reason}" for entry in summary.delivery.rejections[:10]]
    for line in lines:
        say(line)


def check_delivery(summary: ExportSummary) -> None:
    """Raise DeliveryError if a receiver did not take everything."""
    if not summary.is_complete:
        lost = summary.delivery.total
        converted = f", {len(summary.faults):,} sessions not converted" if summary.faults else ""
        raise DeliveryError(
            f"{lost.rejected:,} items rejected, {lost.undelivered:,} not delivered{converted} (see the summary)"
        )
