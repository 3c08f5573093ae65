"""What changes under some folders, as it changes (I/O)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from threading import Event
from typing import Any

import watchfiles
from watchfiles import _rust_notify

_GATHER_MS = 300
"""Longest time changes are gathered while more keep coming."""

_QUIET_MS = 25
"""After so long without another change, what was gathered is given out."""

_WAKE_MS = 250
"""How often whoever waits is asked whether something is due."""

_POLL_MS = 1500
"""Pause between looks at file systems that send no events."""

_MORE_EVENTS = "on Linux, raise fs.inotify.max_user_watches or max_user_instances with sysctl"

_HOW = {
    "watch_filter": None,
    "debounce": _GATHER_MS,
    "step": _QUIET_MS,
    "rust_timeout": _WAKE_MS,
    "yield_on_timeout": True,
    "raise_interrupt": False,
    "ignore_permission_denied": True,
}

_MOUNTS = Path("/proc/self/mounts")
_ESCAPED = re.compile(r"\\([0-7]{3})")
"""How spaces, tabs and backslashes are written in it (proc_pid_mounts(5), getmntent(3))."""

_SILENT = frozenset({
    "nfs", "nfs4", "cifs", "smb3", "9p", "v9fs", "drvfs", "fuse.sshfs", "virtiofs", "vboxsf", "fakeowner", "osxfs",
    "fuse.grpcfuse",
})  # fmt: skip
"""File systems on which other machines write, Windows under WSL, or a Mac under Docker: the kernel sees no events of
theirs."""


Watch = Callable[..., Iterator[set[Any]]]
"""``watchfiles.watch``, or what takes its place."""


def file_events(
    roots: Sequence[Path],
    stop: Event,
    *,
    look_every_s: float,
    notify: Callable[[str], None] = lambda _: None,
    watch: Watch = watchfiles.watch,
) -> Iterator[frozenset[str] | None]:
    """Yield sets of changed paths; ``None`` at first and every ``look_every_s``, for a look at everything.

    An empty set means that nothing changed for a moment. Ends when ``stop`` is set; or, after a ``None``, when a root
    has gone: whoever watches decides on what to watch then. Where the system has no events left to give, ``notify`` is
    told, and files are polled from then on.
    """
    watch = partial(watch, *roots, stop_event=stop, **_HOW)
    if not any(is_without_events(root) for root in roots):
        try:
            yield from _with_looks(watch(), roots, look_every_s)
        except (OSError, _rust_notify.WatchfilesRustInternalError) as error:
            notify(f"no file events ({error}): looking every {_POLL_MS / 1000} s instead; {_MORE_EVENTS}")
        else:
            return
    yield from _with_looks(watch(force_polling=True, poll_delay_ms=_POLL_MS), roots, look_every_s)


def _with_looks(
    changes: Iterator[set[Any]], roots: Sequence[Path], look_every_s: float
) -> Iterator[frozenset[str] | None]:
    looked_at = -look_every_s
    # the first change given is the time-out after the watch has begun: nothing falls between a first look and it
    for change in changes:
        paths = frozenset(path for _, path in change)
        if time.monotonic() - looked_at >= look_every_s:
            looked_at = time.monotonic()
            yield None
            if not all(root.exists() for root in roots):
                return
        yield paths


def is_without_events(folder: Path, mounts: Path = _MOUNTS) -> bool:
    """Tell whether a folder lies on a file system that sends no events of what other machines write."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    target = str(folder.resolve())
    best, kind = "", ""
    for line in lines:
        _, point, file_system, *_ = [*line.split(" "), "", "", ""]
        place = _ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), point)
        if len(place) >= len(best) and (target == place or target.startswith(place.rstrip("/") + "/")):
            best, kind = place, file_system
    return kind in _SILENT
