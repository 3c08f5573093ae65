"""Sessions that grow, a real process that keeps their index, and a receiver that tells what came twice."""

from __future__ import annotations

import resource
import subprocess
from functools import partial
from itertools import count, islice
from pathlib import Path

from otel_bridge.store.database import FILE_NAME
from tests.otlp_server import RecordingServer, Script, data_points
from tests.transcripts import dump, name_uuid, prompt, response, write
from tools.crash.arrival import wait_for_arrival
from tools.crash.arrivals import spans_in
from tools.crash.rows import differences, rows_of
from tools.crash.watching import Watch, command, environment, run
from tools.stack.stores import eventually

WITHIN_S = 90.0
"""How long things may take on a busy machine; what they wait for ends them earlier."""


class Watched:
    """The transcripts of a home, an index of them, and where their telemetry goes."""

    def __init__(self, folder: Path, script: Script = (), *, data: Path | None = None) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.data = data or folder / "data"
        self.index = self.data / FILE_NAME
        self.server = RecordingServer("http/protobuf", script)
        self.env = environment(self.home, self.data, "watched")
        self._turns = count()
        self._logs = count()

    def grow(self, *sessions: int, turns: int = 1, words: int = 1) -> str:
        """Add turns to sessions, each a prompt of so many words and the answer to it; return the last message id."""
        for session in sessions:
            numbers = list(islice(self._turns, turns))
            with self.transcript(session).open("ab") as file:
                file.write(b"".join(line for number in numbers for line in _turn(number, words)))
        return f"msg_{numbers[-1]}"

    def transcript(self, session: int) -> Path:
        """Return the file of a session, an empty one at first."""
        path = self.home / "projects" / "-home-dev-widgets" / f"{name_uuid(session)}.jsonl"
        return path if path.exists() else write(path)

    def watch(self) -> Watch:
        """Start to watch and return when the first look is over."""
        watch = Watch(self.server.endpoint, self.env, self.folder / f"watch-{next(self._logs)}.log")
        assert watch.wait_until_ready(), watch.said()
        return watch

    def caught_up(self, watch: Watch) -> None:
        """Wait until all that is in the transcripts is in the index and at the receiver."""
        left = wait_for_arrival(self.index, self.home / "projects", WITHIN_S, lambda: not watch.has_ended)
        assert left == [], watch.said()
        assert not watch.has_ended, watch.said()

    def sync(self, *, most_bytes: int | None = None) -> subprocess.CompletedProcess[str]:
        """Bring all up to date once; ``most_bytes`` is how large a file may grow."""
        line = command("sync", "--endpoint", self.server.endpoint)
        limit = None if most_bytes is None else partial(limit_files, 0, most_bytes)
        return subprocess.run(line, env=self.env, capture_output=True, text=True, check=False, preexec_fn=limit)

    def stats(self, *options: str) -> subprocess.CompletedProcess[str]:
        """Ask the index."""
        line = command("stats", "--json", *options)
        return subprocess.run(line, env=self.env, capture_output=True, text=True, check=False)

    def points(self) -> list[tuple[str, ...]]:
        """Return the series and time of all points taken, in order; doubles show."""
        taken = [request for request in self.server.requests if request.signal == "metrics" and request.reply.accepts]
        return [
            (metric.name, str(point.attributes), str(point.time_unix_nano))
            for request in taken
            for metric in request.metrics
            for point in data_points(metric)
        ]

    def assert_nothing_lost_or_doubled(self) -> None:
        """Compare what arrived with a one-shot export, and the index with one made at once."""
        self.assert_index_is_whole()
        assert sorted(self.server.span_ids()) == self._exported()
        assert len(self.points()) == len(set(self.points()))

    def assert_index_is_whole(self) -> None:
        fresh = self.folder / f"fresh-{next(self._logs)}"
        run("sync", env=environment(self.home, fresh, "watched"))
        assert differences(rows_of(self.index), rows_of(fresh / FILE_NAME)) == []

    def assert_nothing_lost(self) -> None:
        """Compare the same, where things may have been sent again under the same ids."""
        self.assert_index_is_whole()
        assert set(self.server.span_ids()) == set(self._exported())

    def _exported(self) -> list[str]:
        """Return the ids of all spans of a one-shot export."""
        file = self.folder / f"spans-{next(self._logs)}.jsonl"
        run("export", self.home / "projects", "--only", "traces", "--to-file", file, env=self.env)
        return sorted(span.split()[1] for span in spans_in(file))


def _turn(number: int, words: int) -> tuple[bytes, bytes]:
    return dump(prompt("word " * words, at=10 * number)), dump(response(f"msg_{number}", at=10 * number + 5))


def limit_files(process_id: int, most_bytes: int) -> None:
    """Let a process, 0 for this one, write no file larger than that: it meets the end of its disk."""
    _, hard = resource.prlimit(process_id, resource.RLIMIT_FSIZE)
    resource.prlimit(process_id, resource.RLIMIT_FSIZE, (most_bytes, hard))


def has_said(watch: Watch, words: str) -> bool:
    """Wait until a watch says something; say whether it did."""
    return eventually(lambda: words in watch.said() or watch.has_ended, bool, WITHIN_S) and words in watch.said()
