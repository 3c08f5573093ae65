"""``otel-bridge export``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import NamedTuple

import click

from otel_bridge.cli.destination import (
    Destination,
    destination,
    endpoint_option,
    give_up_option,
    only_option,
    open_local_sinks,
    open_sink,
    originals_option,
    protocol_option,
    with_paths_option,
    without_missing_pipelines,
)
from otel_bridge.cli.indexed import Source, data_dir_option, index_now, writer
from otel_bridge.cli.json_output import print_json
from otel_bridge.cli.library import open_library
from otel_bridge.cli.options import common_options, find_sessions
from otel_bridge.cli.printable import say
from otel_bridge.cli.progress import adding_up, progress_bars
from otel_bridge.cli.shipping import check_delivery, say_summary, ship_pending, target_of
from otel_bridge.convert import ContentPolicy, ConvertOptions
from otel_bridge.errors import BusyError, StoreError, UsageError
from otel_bridge.pipeline.export import ExportSummary, export_sessions
from otel_bridge.pipeline.index.passes import IndexOptions
from otel_bridge.pipeline.index.shipping import ShipOptions
from otel_bridge.pipeline.index.stored import StoredLibrary
from otel_bridge.pipeline.sessions import Library, SessionLibrary
from otel_bridge.resource import resource_attributes
from otel_bridge.settings import environment, worker_count
from otel_bridge.telemetry import Signal


@click.command("export", epilog="Example: otel-bridge export --endpoint http://localhost:4318")
@common_options
@endpoint_option
@protocol_option
@only_option
@click.option("--to-file", metavar="FILE", help="Write OTLP/JSON lines as the collector does; - for stdout.")
@click.option("--console", "to_console", is_flag=True, help="Print the spans as a tree.")
@click.option("--content", type=click.Choice(["off", "messages", "tools", "all"]), default="off", show_default=True,
              help="Send texts too, secrets redacted and cut to --content-bytes.")  # fmt: skip
@click.option("--content-bytes", type=click.IntRange(min=64), default=2048, show_default=True, metavar="N",
              help="Longest text sent.")  # fmt: skip
@give_up_option
@click.option("--include-open", is_flag=True, help="Also send turns that may still grow.")
@click.option("--no-session-id", is_flag=True,
              help="Metrics without session ids: fewer series, exact only in one export of everything.")  # fmt: skip
@with_paths_option
@originals_option
@data_dir_option
@click.option("--no-store", is_flag=True,
              help="Leave the index alone: read the transcripts and send all, what was sent before too.")  # fmt: skip
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
    keeps_originals: bool,
    data_dir: Path | None,
    no_store: bool,
) -> None:
    """Send sessions as OpenTelemetry GenAI spans, events and metrics.

    Without a PATH the sessions of the index; an endpoint gets what it was not sent before. The same transcripts always
    give the same telemetry at the same times, so sending again adds nothing new. A turn that may still grow is held
    back until it is over; metrics count it already. Exits with 4 if the receiver did not take everything.
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
        original_attributes=keeps_originals,
        paths=with_paths,
    )
    run = _Run(paths, data_dir, or_samples, no_store, signals, options, to, give_up_s, bool(only))
    is_booked = not (paths or no_store or to.file or to.to_console or no_session_id)
    summary = run.by_ledger() if is_booked else run.directly()
    if as_json:
        print_json(summary)
    else:
        say_summary(summary, to.places, if_open=" (--include-open sends them)")
    check_delivery(summary)


class _Run(NamedTuple):
    """One export, as the options want it."""

    paths: tuple[Path, ...]
    data_dir: Path | None
    or_samples: bool
    no_store: bool
    signals: tuple[Signal, ...]
    options: ConvertOptions
    to: Destination
    give_up_s: float
    is_chosen: bool
    """The user named the signals."""

    def directly(self) -> ExportSummary:
        """Send all sessions, whatever was sent before."""
        local = open_local_sinks(self.to)
        with ExitStack() as undo:
            for opened in local:
                undo.callback(opened.abort)  # does nothing once it is closed
            library = undo.enter_context(self._library())
            to = self._reachable()
            sink = open_sink(to, local, give_up_s=self.give_up_s, notify=say)
            (set_progress,) = undo.enter_context(progress_bars("sending", in_bytes=False))
            done = count(1)
            return export_sessions(
                library,
                sink,
                self.options,
                signals=self.signals,
                lesser_views=library.lesser_views,
                progress=lambda _: set_progress(next(done), len(library.session_ids)),
            )

    def by_ledger(self) -> ExportSummary:
        """Send what the endpoints were not sent before, and note it."""
        source = Source((), self.data_dir, or_samples=self.or_samples)
        try:
            index_now(source, command="export", options=IndexOptions(worker_count()))
        except BusyError:
            raise
        except StoreError:
            if source.path.exists():
                raise
            return self.directly()  # which says that the index cannot be kept
        with writer(source, command="export") as place, ExitStack() as stack:
            stored = StoredLibrary(place.connection, now_ns=time.time_ns())
            library = stack.enter_context(self._library()) if self._keeps_content else stored
            target = target_of(self._reachable(), ShipOptions(self.options, self.signals), give_up_s=self.give_up_s)
            summary = ship_pending(place, library, target)
        if not summary.sessions:
            say(f"nothing new for {', '.join(self.to.places)}; --no-store sends all of it again, with the same ids")
        return summary

    @contextmanager
    def _library(self) -> Iterator[Library]:
        """Open the sessions; files are counted now, before other threads are started (``SessionLibrary.count``)."""
        if not (self.paths or self.no_store or self._keeps_content):
            with open_library((), self.data_dir, or_samples=self.or_samples) as library:
                yield library
            return
        files = find_sessions(self.paths, or_samples=self.or_samples)
        total = sum(session.size_bytes for session in files)
        with progress_bars("counting") as (set_progress,):
            counted = adding_up(set_progress, total)
            read = SessionLibrary(
                files, now_ns=time.time_ns(), workers=worker_count(), keep_content=self._keeps_content, progress=counted
            )
            read.count()
        yield read

    @property
    def _keeps_content(self) -> bool:
        """Texts are wanted, which only the transcripts have."""
        return self.options.content.messages or self.options.content.tools

    def _reachable(self) -> Destination:
        """Leave out, with a sentence, the signals that the endpoints know nothing of."""
        to = self.to if self.is_chosen else without_missing_pipelines(self.to)
        for sentence in to.nowhere:
            say(f"! {sentence}")
        return to


def _content_policy(content: str, max_bytes: int) -> ContentPolicy:
    return ContentPolicy(
        messages=content in ("messages", "all"), tools=content in ("tools", "all"), max_bytes=max_bytes
    )
