"""A full disk, a read-only one, a spoilt index, a clock set back, nobody who listens: real processes go through it all.

What holds each time: nothing is lost, nothing arrives twice under another id, a sentence says what is wrong, and with
the cause gone all is put right without hands.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest

from tests.otlp_server import ACCEPT, DROP, Received, Reply
from tests.stack.watched import WITHIN_S, Watched, has_said, limit_files
from tools.crash.watching import Watch, command
from tools.stack.stores import eventually

pytestmark = pytest.mark.slow

NO_LIMIT = 1 << 40
HOUR_S = 3600
CANNOT_WRITE = "cannot write the index"


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Return three sessions with a turn each, of which nothing is known yet."""
    made = Watched(tmp_path)
    made.grow(1, 2, 3)
    with made.server:
        yield made


@contextmanager
def watching(watched: Watched) -> Iterator[Watch]:
    """Watch while a block runs; it must not end before, and in order then."""
    watch = watched.watch()
    try:
        yield watch
    finally:
        code = watch.end()
    assert code == 0, watch.said()


# --- a full disk -----------------------------------------------------------------------------------------------------


def test_a_watch_goes_on_when_its_full_disk_has_room_again(watched: Watched) -> None:
    with watching(watched) as watch:
        watched.caught_up(watch)
        limit_files(watch.pid, 4096)
        watched.grow(1, 2, 3, turns=20, words=300)
        assert has_said(watch, CANNOT_WRITE)
        sent = len(watched.server.requests)
        watched.grow(1)
        time.sleep(3)
        assert len(watched.server.requests) == sent
        limit_files(watch.pid, NO_LIMIT)
        watched.caught_up(watch)
        assert "the index is written again" in watch.said()
    watched.assert_nothing_lost_or_doubled()


def test_a_watch_lives_on_where_its_messages_fill_the_disk(watched: Watched) -> None:
    """Nobody can be told meanwhile."""
    with watching(watched) as watch:
        watched.caught_up(watch)
        limit_files(watch.pid, 0)
        watched.grow(1, 2, 3, turns=20, words=300)
        time.sleep(3)
        assert not watch.has_ended
        limit_files(watch.pid, NO_LIMIT)
        watched.caught_up(watch)
    watched.assert_nothing_lost_or_doubled()


def test_a_sync_on_a_full_disk_says_so_and_the_next_one_does_it_all(watched: Watched) -> None:
    assert watched.sync().returncode == 0
    watched.grow(1, 2, 3, turns=20, words=300)
    full = watched.sync(most_bytes=4096)
    assert full.returncode == 5
    assert f"error: {CANNOT_WRITE} {watched.index}" in full.stderr
    assert "room on the disk" in full.stderr
    assert watched.sync().returncode == 0
    watched.assert_nothing_lost_or_doubled()


def test_what_a_sync_cannot_note_any_more_is_sent_again_under_the_same_ids(watched: Watched) -> None:
    """The disk has room for the sessions, and not for the ledger."""
    assert watched.sync().returncode == 0
    watched.grow(1, 2, 3, turns=20, words=300)
    full = watched.sync(most_bytes=watched.index.stat().st_size)
    assert full.returncode == 5
    assert "room on the disk" in full.stderr
    assert watched.sync().returncode == 0
    watched.assert_nothing_lost()


def test_no_index_fits_on_a_full_disk_and_the_error_names_it(watched: Watched) -> None:
    """At start-up there is nothing to wait for."""
    full = watched.sync(most_bytes=100)
    assert (full.returncode, full.stderr.count("\n")) == (5, 1)
    assert str(watched.index) in full.stderr
    assert watched.sync().returncode == 0
    watched.assert_nothing_lost_or_doubled()


@contextmanager
def small_disk(place: Path) -> Iterator[Callable[[str], None]]:
    """Mount a disk of 1 MiB and yield what mounts it anew with other options; without the right to, skip the test."""
    place.mkdir()

    def mount(options: str) -> subprocess.CompletedProcess[str]:
        line = ["mount", "-t", "tmpfs", "-o", f"size=1m,{options}", "tmpfs", str(place)]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    if (done := mount("rw")).returncode:
        pytest.skip(f"no disk can be mounted: {done.stderr.strip()}")
    try:
        yield lambda options: mount(f"remount,{options}").check_returncode()
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_watch_lives_through_a_disk_that_really_is_full(tmp_path: Path) -> None:
    """Somebody else fills it, and deletes that file later."""
    with small_disk(tmp_path / "disk"):
        watched = Watched(tmp_path, data=tmp_path / "disk" / "data")
        watched.grow(1, 2, 3)
        with watched.server, watching(watched) as watch:
            watched.caught_up(watch)
            filler = tmp_path / "disk" / "filler"
            with pytest.raises(OSError, match="No space left"):
                filler.write_bytes(b"x" * (1 << 20))
            watched.grow(1, 2, 3, turns=20, words=300)
            assert has_said(watch, "database or disk is full")
            filler.unlink()
            watched.caught_up(watch)
        watched.assert_nothing_lost_or_doubled()


# --- a disk that cannot be written -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sync", "watch"])
def test_an_index_that_cannot_be_made_is_one_clear_sentence(watched: Watched, tmp_path: Path, name: str) -> None:
    """Below a file there are no folders, whoever asks."""
    (tmp_path / "file").touch()
    line = command(name, "--data-dir", tmp_path / "file" / "data")
    done = subprocess.run(line, env=watched.env, capture_output=True, text=True, check=False)
    assert done.returncode == 5
    assert done.stderr.startswith(f"error: cannot write {tmp_path / 'file' / 'data'}")
    assert "Name another folder with --data-dir" in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_index_on_a_read_only_disk_still_answers(tmp_path: Path) -> None:
    """As it was when the disk could be written."""
    with small_disk(tmp_path / "disk") as remount:
        watched = Watched(tmp_path, data=tmp_path / "disk" / "data")
        watched.grow(1, 2, 3)
        with watched.server:
            assert watched.sync().returncode == 0
            known = watched.stats("--no-sync").stdout
            remount("ro")
            watched.grow(1)
            refused = watched.sync()
            assert refused.returncode == 5
            assert "Read-only file system" in refused.stderr
            for options in ((), ("--no-sync",)):
                answer = watched.stats(*options)
                assert (answer.returncode, answer.stdout) == (0, known), answer.stderr
            remount("rw")
            assert watched.sync().returncode == 0
        watched.assert_nothing_lost_or_doubled()


# --- a spoilt index --------------------------------------------------------------------------------------------------


def garbage(index: Path) -> None:
    """Write over the whole file."""
    index.write_bytes(os.urandom(index.stat().st_size))


def nothing(index: Path) -> None:
    """Cut the file off at its beginning."""
    os.truncate(index, 0)


def another(index: Path) -> None:
    """Put another file in its place."""
    other = index.with_name("other")
    other.write_bytes(b"not an index" * 1000)
    other.replace(index)


def removal(index: Path) -> None:
    """Remove the file."""
    index.unlink()


SPOILT = pytest.mark.parametrize("spoil", [garbage, nothing, another, removal])


@SPOILT
def test_an_index_that_was_spoilt_is_made_anew_by_the_next_watch(
    watched: Watched, spoil: Callable[[Path], None]
) -> None:
    """Nobody knows what was sent before: it goes out again under the same ids."""
    assert watched.sync().returncode == 0
    spoil(watched.index)
    watched.grow(1)
    with watching(watched) as watch:
        watched.caught_up(watch)
        assert ("was damaged" in watch.said()) == (spoil in {garbage, another})
    watched.assert_nothing_lost()


@SPOILT
def test_an_index_that_is_spoilt_while_a_watch_uses_it_is_made_anew(
    watched: Watched, spoil: Callable[[Path], None]
) -> None:
    with watching(watched) as watch:
        watched.caught_up(watch)
        spoil(watched.index)
        watched.grow(1, 2, 3, turns=20, words=300)
        watched.caught_up(watch)
        watched.grow(2)
        watched.caught_up(watch)
    watched.assert_nothing_lost()


def spoil_page(index: Path, words: bytes) -> None:
    """Write over the page of the index in which some words stand."""
    content = index.read_bytes()
    page_bytes = int.from_bytes(content[16:18], "big")
    start = content.index(words) // page_bytes * page_bytes
    with index.open("r+b") as file:
        file.seek(start)
        file.write(os.urandom(page_bytes))


def test_a_damaged_page_costs_nothing_that_others_tell(watched: Watched) -> None:
    """A session without transcript stays, and nobody is sent anything again."""
    watched.grow(*range(1, 30), turns=10)
    assert watched.sync().returncode == 0
    watched.transcript(1).unlink()
    assert watched.sync().returncode == 0
    before = json.loads(watched.stats("--no-sync").stdout)["totals"]
    last = watched.grow(2)
    assert watched.sync().returncode == 0
    spoil_page(watched.index, f"req_{last}".encode())
    watched.grow(2)
    with watching(watched) as watch:
        watched.caught_up(watch)
        assert "was damaged (database disk image is malformed): it is kept as index.damaged-1.sqlite3" in watch.said()
        assert "kept from it: 1 transcripts that are there no more" in watch.said()
    after = json.loads(watched.stats("--no-sync").stdout)["totals"]
    assert after["calls"] == before["calls"] + 2
    spans = watched.server.span_ids()
    assert len(spans) == len(set(spans)) == 2 * after["calls"]


# --- clocks ----------------------------------------------------------------------------------------------------------

SET_BACK = f"""
import time
time_ns = time.time_ns
time.time_ns = lambda: time_ns() - {2 * HOUR_S} * 10**9
"""


def test_a_clock_that_is_set_back_between_two_runs_changes_nothing(watched: Watched, tmp_path: Path) -> None:
    """Two hours, and forward again: what is new is sent once."""
    (tmp_path / "sitecustomize.py").write_text(SET_BACK, encoding="utf-8")
    rightly, wrongly = watched.env, watched.env | {"PYTHONPATH": str(tmp_path)}
    for env in (rightly, wrongly, rightly):
        watched.env = env
        with watching(watched) as watch:
            watched.caught_up(watch)
            watched.grow(1, 2)
            watched.caught_up(watch)
    watched.assert_nothing_lost_or_doubled()


# --- nobody listens --------------------------------------------------------------------------------------------------


def test_a_collector_that_is_away_is_asked_ever_more_seldom_and_gets_all_in_the_end(tmp_path: Path) -> None:
    attempts: list[float] = []
    is_away = [True]

    def decide(request: Received) -> Reply:
        if is_away[0] and request.items:
            attempts.append(time.monotonic())
        return DROP if is_away[0] else ACCEPT

    watched = Watched(tmp_path, decide)
    watched.grow(1, 2, 3)
    with watched.server, watching(watched) as watch:
        started_s = time.monotonic()
        while time.monotonic() - started_s < 20:
            time.sleep(2)
            watched.grow(1)
        assert eventually(lambda: len(attempts), bool, WITHIN_S)
        is_away[0] = False
        watched.caught_up(watch)
        told = watch.said().splitlines()
        assert len(told) == len(set(told))
        assert told[-1] == "! the target takes data again"
    assert max(later - sooner for sooner, later in pairwise(attempts)) >= 4  # after 1 s and 2 s
    watched.assert_nothing_lost_or_doubled()


# --- several processes -----------------------------------------------------------------------------------------------


def test_a_second_writer_is_refused_and_told_who_the_first_is(watched: Watched) -> None:
    with watching(watched) as watch:
        for name in ("watch", "sync"):
            done = subprocess.run(command(name), env=watched.env, capture_output=True, text=True, check=False)
            assert done.returncode == 5
            assert f"`otel-bridge watch` (process {watch.pid})" in done.stderr


def test_readers_read_while_a_watch_writes(watched: Watched) -> None:
    """They wait for nobody, and see what the watch has seen."""
    with watching(watched) as watch:
        watched.caught_up(watch)
        for _ in range(5):
            watched.grow(1, 2, 3, turns=5, words=50)
            for name in ("stats", "sessions"):
                line = command(name, "--json")
                done = subprocess.run(line, env=watched.env, capture_output=True, text=True, check=False)
                assert done.returncode == 0, done.stderr
        watched.caught_up(watch)
        assert watched.stats().stdout == watched.stats("--no-sync").stdout
    watched.assert_nothing_lost_or_doubled()
