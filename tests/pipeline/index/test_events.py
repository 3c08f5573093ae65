from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from watchfiles._rust_notify import WatchfilesRustInternalError

from otel_bridge.pipeline.index import events
from otel_bridge.pipeline.index.events import file_events, is_without_events

# --- file systems that send no events --------------------------------------------------------------------------------

LAPTOP = """\
overlay / overlay rw,relatime,lowerdir=/a:/b 0 0
proc /proc proc rw,nosuid 0 0
/dev/vda1 /home ext4 rw,relatime 0 0
server:/export/home /home/shared nfs4 rw,vers=4.2 0 0
/dev/vda1 /home/shared/here ext4 rw,relatime 0 0
server:/export/bind /home/dev/with\\040two\\040spaces nfs rw 0 0
back\\134slash /home/dev/tab\\011and\\134 nfs rw 0 0
"""
WSL = """\
/dev/sdc / ext4 rw,relatime 0 0
none /mnt/wsl tmpfs rw,relatime 0 0
C:\\134 /mnt/c 9p rw,noatime,aname=drvfs;path=C:\\134;uid=1000 0 0
D: /mnt/d drvfs rw,noatime 0 0
"""
CONTAINER = """\
overlay / overlay rw,relatime 0 0
/run/host_mark/Users /data fakeowner rw,nosuid 0 0
tmpfs /data/cache tmpfs rw 0 0
share /shared virtiofs rw 0 0
"""


@pytest.mark.parametrize(
    ("mounts", "folder", "silent"),
    [
        (LAPTOP, "/srv/projects", False),
        (LAPTOP, "/", False),
        (LAPTOP, "/home/dev/.claude", False),
        (LAPTOP, "/home/shared", True),
        (LAPTOP, "/home/shared/.claude/projects", True),
        (LAPTOP, "/home/sharedelsewhere", False),
        (LAPTOP, "/home/shared/here/projects", False),
        (LAPTOP, "/home/dev/with two spaces/projects", True),
        (LAPTOP, "/home/dev/tab\tand\\/projects", True),
        (WSL, "/home/dev", False),
        (WSL, "/mnt/c/Users/dev/.claude/projects", True),
        (WSL, "/mnt/d/projects", True),
        (WSL, "/mnt/wsl/projects", False),
        (CONTAINER, "/data/projects", True),
        (CONTAINER, "/data/cache/projects", False),
        (CONTAINER, "/shared", True),
        (CONTAINER, "/home/bridge/.claude/projects", False),
    ],
)
def test_a_folder_is_polled_where_the_kernel_hears_nothing(
    tmp_path: Path, mounts: str, folder: str, silent: bool
) -> None:
    """The innermost mount decides: networks, Windows and Macs below are silent, overlays and disks are not."""
    table = tmp_path / "mounts"
    table.write_text(mounts)
    assert is_without_events(Path(folder), table) is silent


def test_the_last_mount_on_a_point_covers_those_before(tmp_path: Path) -> None:
    """As the kernel has it."""
    table = tmp_path / "mounts"
    table.write_text("server:/x /data nfs rw 0 0\n/dev/sda1 /data ext4 rw 0 0\n")
    assert not is_without_events(Path("/data"), table)


def test_a_link_is_looked_through(tmp_path: Path) -> None:
    """Where the files lie matters, not how they are reached."""
    table, share, link = tmp_path / "mounts", tmp_path / "share", tmp_path / "link"
    share.mkdir()
    link.symlink_to(share)
    table.write_text(f"server:/x {share} nfs rw 0 0\n")
    assert is_without_events(link, table)


@pytest.mark.parametrize("content", [None, b"", b"\n \nnfs\n", b"\xff\xfe / nfs4\xff 0\n"])
def test_a_table_that_says_nothing_stops_nothing(tmp_path: Path, content: bytes | None) -> None:
    """Other systems have none; events are asked for then."""
    table = tmp_path / "mounts"
    if content is not None:
        table.write_bytes(content)
    assert not is_without_events(tmp_path, table)


# --- events ----------------------------------------------------------------------------------------------------------


def until(changes: Iterator[frozenset[str] | None], path: Path) -> int:
    """Wait until a path has changed, and return how many looks at everything came before."""
    looks = 0
    for change in islice(changes, 50):
        if change is None:
            looks += 1
        elif str(path) in change:
            return looks
    pytest.fail(f"no event of {path}")


def test_a_look_at_everything_comes_first(tmp_path: Path) -> None:
    """After the watch has begun: what changes while it is made is told."""
    changes = file_events([tmp_path], Event(), look_every_s=100)
    assert next(changes) is None
    (tmp_path / "a.jsonl").write_text("")
    assert until(changes, tmp_path / "a.jsonl") == 0


def test_what_changes_is_told_by_its_path(tmp_path: Path) -> None:
    """In folders that come later, too; where nothing changes for a moment, that is told."""
    changes = file_events([tmp_path], Event(), look_every_s=100)
    assert (next(changes), next(changes), next(changes)) == (None, frozenset(), frozenset())
    path = tmp_path / "-later" / "deep" / "a.jsonl"
    path.parent.mkdir(parents=True)
    until(changes, path.parents[1])
    path.write_text("")
    until(changes, path)
    with path.open("a") as stream:
        stream.write("line\n")
    until(changes, path)
    path.rename(path.with_name("b.jsonl"))
    until(changes, path.with_name("b.jsonl"))
    path.with_name("b.jsonl").unlink()
    until(changes, path.with_name("b.jsonl"))


@pytest.mark.slow
def test_a_look_at_everything_is_due_again_and_again(tmp_path: Path) -> None:
    """Whatever events say."""
    changes = file_events([tmp_path], Event(), look_every_s=0.5)
    looks, began = [], time.monotonic()
    while len(looks) < 3:
        if next(changes) is None:
            looks.append(time.monotonic() - began)
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(looks))
    assert looks[-1] < 5


def test_it_ends_when_it_is_told_to(tmp_path: Path) -> None:
    """Without an error."""
    stop = Event()
    changes = file_events([tmp_path], stop, look_every_s=100)
    assert next(changes) is None
    stop.set()
    assert all(change == frozenset() for change in changes)


def test_it_ends_when_a_folder_has_gone(tmp_path: Path) -> None:
    """After a look at everything: whoever watches decides what to watch then."""
    root = tmp_path / "projects"
    root.mkdir()
    changes = file_events([tmp_path, root], Event(), look_every_s=0.1)
    assert (next(changes), next(changes)) == (None, frozenset())
    root.rename(tmp_path / "moved")
    told = list(islice(changes, 50))
    assert told[-1] is None
    assert len(told) < 50


@pytest.mark.slow
def test_where_the_kernel_hears_nothing_changes_are_found_by_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A little later, and in the same words."""
    monkeypatch.setattr(events, "is_without_events", lambda _: True)
    changes = file_events([tmp_path], Event(), look_every_s=100)
    assert next(changes) is None
    (tmp_path / "a.jsonl").write_text("")
    assert until(changes, tmp_path / "a.jsonl") == 0


class Exhausted:
    """A system that gives no events: not from the beginning, or not for long."""

    def __init__(self, error: Exception, after: int) -> None:
        self.error = error
        self.after = after
        self.polled: list[object] = []

    def __call__(self, *roots: Path, force_polling: bool | None = None, **options: Any) -> Iterator[set[Any]]:
        self.polled.append(force_polling)
        for _ in range(3 if force_polling else self.after):
            yield {(1, f"{roots[0]}/{'polled' if force_polling else 'told'}")}
        if not force_polling:
            raise self.error


@pytest.mark.parametrize("after", [0, 2])
@pytest.mark.parametrize(
    "error",
    [
        WatchfilesRustInternalError("Error creating recommended watcher: Too many open files (os error 24)"),
        OSError("OS file watch limit reached."),
    ],
)
def test_where_the_system_has_no_events_left_files_are_polled(tmp_path: Path, error: Exception, after: int) -> None:
    """Said once, and everything is looked at first: who knows what was missed."""
    said: list[str] = []
    watch = Exhausted(error, after)
    told = list(file_events([tmp_path], Event(), look_every_s=100, notify=said.append, watch=watch))
    polled = [None] + [frozenset({f"{tmp_path}/polled"})] * 3
    assert told[-4:] == polled
    assert len(told) == len(polled) + (1 + after if after else 0)
    assert watch.polled == [None, True]
    (sentence,) = said
    assert str(error) in sentence
    assert "max_user_watches" in sentence


def test_a_folder_that_is_not_there_is_no_want_of_events(tmp_path: Path) -> None:
    """A look at everything, and the end: nothing is said of limits."""
    said: list[str] = []
    assert list(file_events([tmp_path / "nowhere"], Event(), look_every_s=100, notify=said.append)) == [None]
    assert said == []
