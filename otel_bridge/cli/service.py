"""A command that keeps running: a first look at everything, rounds as files change, an orderly end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import cache, partial
from pathlib import Path
from threading import Event

import click

from otel_bridge.cli.destination import Destination
from otel_bridge.cli.ending import until_signal
from otel_bridge.cli.indexed import Source, holder, index_path
from otel_bridge.cli.keeping import Keeping
from otel_bridge.cli.options import Seconds
from otel_bridge.cli.printable import say
from otel_bridge.cli.progress import progress_bars
from otel_bridge.errors import BusyError
from otel_bridge.output import GrowingFile
from otel_bridge.pipeline.index.dispatch import Target
from otel_bridge.pipeline.index.events import file_events
from otel_bridge.pipeline.index.keeping import Keeper
from otel_bridge.pipeline.index.opening import writing_when_possible
from otel_bridge.pipeline.index.passes import IndexOptions
from otel_bridge.settings import environment, present_roots, worker_count

_LOOK_EVERY_S = 30
"""Turns may be over, or idle for long enough, without anybody telling."""

look_every_option = click.option(
    "--look-every", "look_every_s", type=Seconds(min=1), default=_LOOK_EVERY_S, show_default=True, metavar="SECONDS",
    help="Look at all files so often, whatever events say.",
)  # fmt: skip

_WAKE_S = 0.25
"""How often folders are looked for that are not there yet, which a client's first session makes, and what is received
is taken in meanwhile."""

_FLUSH_WITHIN_S = 4.0
"""Containers are killed ten seconds after they were asked to end, and what is under way is to be answered too."""

_GIVE_UP_S = 2.0
"""How long a request is tried before the round goes on; the next round tries again."""

Serve = Callable[[Keeper, Source], AbstractContextManager[object]]
"""What runs beside the rounds, from the first look on."""


def run_service(
    keeping: Keeping,
    *,
    command: str,
    look_every_s: float,
    serve: Serve = lambda _, __: nullcontext(),
) -> None:
    """Keep an index and its target up to date until a signal ends it.

    Raises:
        BusyError: another process writes the index.
        StoreError: the index cannot be made.
        UsageError: an endpoint makes no sense.
    """
    to, source = keeping.destination(), keeping.source()
    options = keeping.index_options(worker_count())
    with _keeper(source.path, lambda: _roots(keeping, source), options, command=command) as keeper:
        with progress_bars("indexing") as (set_progress,):
            keeper.look(set_progress)
        keeper.options = keeping.index_options(1)
        keeper.dispatcher.find_target = _finding(keeping, to, cache(say))
        with until_signal() as stop, serve(keeper, source):
            say(f"watching {', '.join(map(str, source.roots)) or 'for transcripts to come'}; Ctrl-C ends it")
            _watch(keeper, lambda: _roots(keeping, source), stop, look_every_s)


def run_receiver(
    keeping: Keeping, serve: Callable[[Keeper], AbstractContextManager[object]], file: GrowingFile | None
) -> None:
    """Take in what is received into an index that no file fills, and send it on, until a signal ends it.

    In the end all that is held is sent. Of signals that an endpoint does not know nothing is said: whoever passes the
    rest on has. Raises as ``run_service``.
    """
    to, options = keeping.destination(), keeping.index_options(1)
    with ExitStack() as stack:
        try:
            keeper = stack.enter_context(_keeper(index_path(keeping.data_dir), None, options, command="receive"))
        except BusyError as error:
            raise BusyError(
                f"{error}; `otel-bridge up` receives beside its other work, --data-dir gives this one an index of its"
                " own, and --unchanged needs none"
            ) from None
        keeper.dispatcher.find_target = _finding(keeping, to, _be_quiet, file)
        with until_signal() as stop, serve(keeper):
            looked_s = time.monotonic()
            while not stop.is_set():
                is_due = time.monotonic() - looked_s >= _LOOK_EVERY_S
                looked_s = time.monotonic() if is_due else looked_s
                keeper.round(None if is_due else ())
                keeper.inbox.wait(_WAKE_S)
            keeper.flush(_FLUSH_WITHIN_S)


@contextmanager
def _keeper(
    path: Path, roots: Callable[[], Sequence[Path]] | None, options: IndexOptions, *, command: str
) -> Iterator[Keeper]:
    with writing_when_possible(path, holder=holder(command), notify=cache(_warn)) as place:
        keeper = Keeper(place, roots, options=options, clock=time.time_ns, notify=_warn)
        try:
            yield keeper
        finally:
            keeper.place.connection.close()


def _finding(
    keeping: Keeping, to: Destination | None, tell: Callable[[str], None], file: GrowingFile | None = None
) -> Callable[[], Target] | None:
    """Return what finds the target; of one that is away the keeper tells."""
    if to is None:
        return None
    return partial(keeping.target, to, give_up_s=_GIVE_UP_S, tell=tell, notify=_be_quiet, is_modest=True, file=file)


def _be_quiet(_: str) -> None:
    return


def _watch(keeper: Keeper, roots: Callable[[], list[Path]], stop: Event, look_every_s: float) -> None:
    warn_once = cache(_warn)
    while not stop.is_set():
        watched = roots()
        if not watched:
            _await_folder(keeper, roots, stop, look_every_s)
            continue
        for changed in file_events(watched, stop, look_every_s=look_every_s, notify=warn_once):
            keeper.round(changed)
            if roots() != watched:
                break
    keeper.end()


def _warn(line: str) -> None:
    say(f"! {line}")


def _await_folder(keeper: Keeper, roots: Callable[[], list[Path]], stop: Event, most_s: float) -> None:
    """Do without files until there is a folder to watch, or it is time to end or to look at everything."""
    keeper.round(None)
    until_s = time.monotonic() + most_s
    while not roots() and time.monotonic() < until_s and not stop.wait(_WAKE_S):
        keeper.round(())


def _roots(keeping: Keeping, source: Source) -> list[Path]:
    """Return the folders to watch as they are now: one may come later."""
    return source.roots if keeping.paths or source.is_samples else present_roots(environment())
