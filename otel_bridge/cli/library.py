"""Whole sessions for a command: of the paths given, else of the index."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from otel_bridge.cli.indexed import current_index
from otel_bridge.cli.options import find_sessions
from otel_bridge.cli.printable import say
from otel_bridge.pipeline.index.stored import StoredLibrary
from otel_bridge.pipeline.sessions import Library, SessionLibrary
from otel_bridge.settings import worker_count

_UNREADABLE = "what the index has of them cannot be read; run `otel-bridge db repair`"


@contextmanager
def open_library(
    paths: Sequence[Path], data_dir: Path | None, *, or_samples: bool = False, no_sync: bool = False
) -> Iterator[Library]:
    """Open the sessions of some files and folders, or those of the index.

    Raises:
        NotFoundError: there are none.
        StoreError: the index cannot be used.
    """
    if paths:
        files = find_sessions(paths, or_samples=or_samples)
        yield SessionLibrary(files, now_ns=time.time_ns(), workers=worker_count())
        return
    with current_index(data_dir, or_samples=or_samples, no_sync=no_sync) as place:
        library = StoredLibrary(place.connection, now_ns=time.time_ns())
        yield library
        if library.passed_over:
            first = min(library.passed_over)
            say(f"! sessions left out: {len(library.passed_over)}, first {first}; {_UNREADABLE}")
