"""Whether a watch has caught up: everything read, settled and delivered."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from sqlite3 import Connection, DatabaseError

from otel_bridge.errors import StoreError
from otel_bridge.store.database import open_reader

SIGNALS = ("traces", "metrics")
"""What the stack stores."""
_POLL_S = 0.2
_LACKING = """
SELECT count(*) FROM sessions WHERE NOT EXISTS (
  SELECT 1 FROM shipped JOIN targets ON targets.id = shipped.target
  WHERE place LIKE ? || ' to %' AND shipped.session_id = sessions.session_id AND shipped.revision = sessions.revision
)
"""


def wait_for_arrival(index: Path, transcripts: Path, within_s: float, is_alive: Callable[[], bool]) -> list[str]:
    """Wait until nothing is left to do; return what still is when the time is up or the watch has ended."""
    deadline = time.monotonic() + within_s
    while (left := left_to_do(index, transcripts)) and is_alive() and time.monotonic() < deadline:
        time.sleep(_POLL_S)
    return left


def left_to_do(index: Path, transcripts: Path) -> list[str]:
    """Return what an index and its targets lack of the transcripts, in words; nothing where they have all."""
    sizes = {str(path): path.stat().st_size for path in transcripts.rglob("*.jsonl")}
    try:
        with closing(open_reader(index)) as connection:
            return _left(connection, sizes)
    except (StoreError, DatabaseError) as error:
        return [f"the index cannot be read: {error}"]


def _left(connection: Connection, sizes: Mapping[str, int]) -> list[str]:
    read = dict(connection.execute("SELECT path, offset_bytes FROM files"))
    unsettled = connection.execute("SELECT count(*) FROM unsettled").fetchone()[0]
    lacking = {signal: connection.execute(_LACKING, (signal,)).fetchone()[0] for signal in SIGNALS}
    behind = sum(read.get(path) != size for path, size in sizes.items())
    left = [f"{behind} files are not read to their end"] if behind else []
    left += [f"{unsettled} sessions are not settled"] if unsettled else []
    return left + [f"{signal} of {count} sessions are not delivered" for signal, count in lacking.items() if count]
