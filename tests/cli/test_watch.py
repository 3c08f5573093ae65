"""``watch`` as it runs: real processes, real files, a real receiver."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from otel_bridge.store.database import FILE_NAME, open_reader
from tests.cli.commands import environment_of, run
from tests.otlp_server import ACCEPT, UNAVAILABLE, Received, RecordingServer, Reply
from tests.pipeline.index.world import append
from tests.transcripts import OTHER, SID, ask, prompt, response, session_file, tool_result, tool_use

pytestmark = pytest.mark.slow

WITHIN_S = 15
"""Far less than the 30 s after which everything is looked at anyway; far more than it takes."""


class Watching:
    """A running ``watch``."""

    def __init__(self, process: subprocess.Popen[str], index: Path) -> None:
        self.process = process
        self.index = index

    def end(self, number: signal.Signals = signal.SIGTERM) -> str:
        """Send a signal, wait for the end, and return what was said."""
        self.process.send_signal(number)
        _, said = self.process.communicate(timeout=WITHIN_S)
        return said

    def rows(self, query: str) -> list[tuple[object, ...]]:
        """Ask the index beside the running process."""
        with closing(open_reader(self.index)) as connection:
            return connection.execute(query).fetchall()


@contextmanager
def watch(home: Path, data: Path, *options: str, **env: str) -> Iterator[Watching]:
    """Start ``watch`` and wait for it to say that it does."""
    command = [sys.executable, "-m", "otel_bridge", "watch", *options]
    environment = environment_of(home, data) | env
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, encoding="utf-8") as process:
        assert process.stderr is not None
        try:
            assert any("watching" in line for line in process.stderr)
            yield Watching(process, data / FILE_NAME)
        finally:
            process.kill()


def becomes(holds: Callable[[], object]) -> float:
    """Wait until something holds and return how many seconds that took."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < WITHIN_S, "it never did"
        time.sleep(0.02)
    return time.monotonic() - began


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Return a home with a session of one turn."""
    session_file(tmp_path / "home", SID, prompt(), response("msg_1", at=1))
    return tmp_path / "home"


def path_of(home: Path) -> Path:
    return home / "projects" / "-home-dev-widgets" / f"{SID}.jsonl"


def utc(at_s: float) -> str:
    """Return a time as the client writes it."""
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(at_s))


def test_lines_are_sent_soon_after_they_are_written(home: Path, tmp_path: Path) -> None:
    """What was there at first, then each turn when it is over, once; what is open is held back."""
    with RecordingServer("http/protobuf") as server, watch(home, tmp_path / "data", **server.env) as watching:
        becomes(lambda: len(server.span_ids()) == 2)
        now = utc(time.time())
        asked = ask("msg_2", tool_use("toolu_1"), timestamp=now, at=61)
        append(path_of(home), prompt("More", timestamp=now, at=60), asked)
        becomes(lambda: watching.rows("SELECT count(*) FROM model_calls") == [(2,)])
        assert len(server.span_ids()) == 2
        append(path_of(home), tool_result("toolu_1", timestamp=now, at=62), response("msg_3", timestamp=now, at=63))
        took_s = becomes(lambda: len(server.span_ids()) == 6)
        session_file(home, OTHER, prompt(at=70), response("msg_o", at=71))
        becomes(lambda: len(server.span_ids()) == 8)
        watching.end()
    assert len(set(server.span_ids())) == 8
    assert took_s < 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_when_it_is_told_to(home: Path, tmp_path: Path, number: signal.Signals) -> None:
    """In order, with the code of success, and without a word."""
    with watch(home, tmp_path / "data") as watching:
        said = watching.end(number)
    assert (watching.process.returncode, said) == (0, "")


def test_what_is_written_just_before_the_end_is_sent(home: Path, tmp_path: Path) -> None:
    """The last round looks at everything."""
    with RecordingServer("http/protobuf") as server, watch(home, tmp_path / "data", **server.env) as watching:
        becomes(lambda: len(server.span_ids()) == 2)
        append(path_of(home), prompt("More", at=60), response("msg_2", at=61))
        watching.end()
        assert len(server.span_ids()) == 4


def test_a_second_one_is_refused_and_told_who_is_first(home: Path, tmp_path: Path) -> None:
    """Reports go on beside it; the right ends with the process, however that ends."""
    with watch(home, tmp_path / "data") as watching:
        refused = run("watch", home=home, data_dir=tmp_path / "data")
        assert refused.returncode == 5
        assert f"is being written by `otel-bridge watch` (process {watching.process.pid})" in refused.stderr
        assert run("stats", home=home, data_dir=tmp_path / "data").returncode == 0
        watching.process.kill()
        watching.process.wait()
        assert run("sync", home=home, data_dir=tmp_path / "data").returncode == 0


def test_moved_and_deleted_transcripts_keep_their_history(home: Path, tmp_path: Path) -> None:
    """A file under another name is the same file; one that is gone is preserved, and can be asked for."""
    with watch(home, tmp_path / "data") as watching:
        moved = home / "projects" / "-renamed" / path_of(home).name
        moved.parent.mkdir()
        path_of(home).rename(moved)
        becomes(lambda: watching.rows("SELECT path, is_present, lines FROM files") == [(str(moved), 1, 2)])
        moved.unlink()
        becomes(lambda: watching.rows("SELECT is_present, lines FROM files") == [(0, 2)])
        assert watching.rows("SELECT message_id FROM model_calls") == [("msg_1",)]
        session_file(home, SID, prompt(), response("msg_1", at=1), response("msg_2", at=2), slug="-back")
        becomes(lambda: watching.rows("SELECT count(*) FROM model_calls") == [(2,)])
        becomes(lambda: watching.rows("SELECT count(*) FROM files WHERE is_present") == [(1,)])
        watching.end()
    assert watching.process.returncode == 0


def test_a_receiver_that_is_away_is_told_once_and_gets_all_when_it_is_back(home: Path, tmp_path: Path) -> None:
    """What came meanwhile too; nothing arrives twice."""
    is_away = True

    def decide(request: Received) -> Reply:
        return UNAVAILABLE if is_away else ACCEPT

    with RecordingServer("http/protobuf", decide) as server, watch(home, tmp_path / "data", **server.env) as watching:
        becomes(lambda: server.requests)
        append(path_of(home), prompt("More", at=60), response("msg_2", at=61))
        becomes(lambda: watching.rows("SELECT count(*) FROM model_calls") == [(2,)])
        is_away = False
        becomes(lambda: len(server.span_ids()) == 4)
        said = watching.end().splitlines()
    assert len(set(server.span_ids())) == len(server.span_ids()) == 4
    assert [line for line in said if "takes data again" in line] == said[1:]
    assert len(said) == 2
    assert "trying again until it works" in said[0]


def test_an_open_turn_is_sent_after_the_idle_time(home: Path, tmp_path: Path) -> None:
    """It began long ago: a look at everything finds that nothing happens in it any more."""
    stamp = utc(time.time() - 90)
    lines = [prompt("Wait", timestamp=stamp, at=0), ask("msg_w", tool_use("toolu_w"), timestamp=stamp, at=1)]
    session_file(home, OTHER, *lines)
    options = ("--idle", "1", "--look-every", "1")
    with RecordingServer("http/protobuf") as server, watch(home, tmp_path / "data", *options, **server.env) as watching:
        becomes(lambda: len(server.span_ids()) == 4)
        append(path_of(home).with_name(f"{OTHER}.jsonl"), tool_result("toolu_w", timestamp=stamp, at=2))
        becomes(lambda: len(server.span_ids()) == 5)
        watching.end()
    assert len(set(server.span_ids())) == 5
