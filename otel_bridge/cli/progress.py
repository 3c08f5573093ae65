"""Bars on stderr, where that is a terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SetProgress = Callable[[int, int], None]
"""Takes what is done and what there is to do."""

_REFRESH_S = 0.1


@contextmanager
def progress_bars(*names: str, in_bytes: bool = True) -> Iterator[list[SetProgress]]:
    """Show a bar for each name while the block runs; yield what moves them."""
    if not sys.stderr.isatty():
        yield [_ignore for _ in names]
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    amount = DownloadColumn() if in_bytes else MofNCompleteColumn()
    columns = (TextColumn("{task.description:<8}"), BarColumn(), amount, TimeRemainingColumn())
    # without a thread of its own: reading forks, see map_unordered
    with Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=False) as progress:
        shown_at = -_REFRESH_S

        def bar(name: str) -> SetProgress:
            task = progress.add_task(name, total=None)

            def set_progress(done: int, total: int) -> None:
                nonlocal shown_at
                progress.update(task, completed=done, total=total)
                if time.monotonic() - shown_at >= _REFRESH_S or done >= total:
                    progress.refresh()
                    shown_at = time.monotonic()

            return set_progress

        yield [bar(name) for name in names]


def adding_up(set_progress: SetProgress, total: int) -> Callable[[int], None]:
    """Return what moves a bar on by what was done since."""
    done = 0

    def advance(more: int) -> None:
        nonlocal done
        done += more
        set_progress(done, total)

    return advance


def _ignore(done: int, total: int) -> None:
    pass
