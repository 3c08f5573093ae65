"""Looks at the files of a ``Life``, and after each a comparison of the index with all that they ever said.

What every file had when it was last looked at is remembered, gone ones too: an index must equal one that is made at
once of all that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from otel_bridge.pipeline.changes import collect_changes
from otel_bridge.pipeline.stats import Stats
from tests.pipeline.index.happenings import Life
from tests.pipeline.index.world import all_rows, assert_same_rows, rows_of_fresh_index, sessions_of, unreadable
from tests.transcripts import count, library


class Looks:
    """The passes over a life."""

    def __init__(self, life: Life) -> None:
        self.life = life
        self.world = life.world

    def look(self, *, at_all: bool) -> None:
        """Make a pass, over everything or over what changed, and compare the index with the files."""
        if self.life.refused:
            self._look_at_refused(at_all=at_all)
        touched = None if at_all else self.life.touched
        self.world.update(touched)
        self.life.touched = set()
        self._remember()
        self.check()

    def _look_at_refused(self, *, at_all: bool) -> None:
        before = all_rows(self.world.connection)
        with unreadable(*self.life.refused):
            report = self.world.update(None if at_all else self.life.touched)
        known = {row[0]: row for row in all_rows(self.world.connection)["files"]}
        for path, *said in before["files"]:
            if Path(path) in self.life.refused and Path(path) in self.life.seen and path in known:
                assert known[path][-1] == said[-1]
        assert report.unreadable_files <= len(self.life.refused)
        self.life.refused = set()

    def _remember(self) -> None:
        stored = {Path(path) for (path,) in self.world.connection.execute("SELECT path FROM files")}
        present = {path: path.read_bytes() for path in self.life.files()}
        for path in [path for path in self.life.seen if path.suffix == ".jsonl" and path not in present]:
            if path not in stored:  # it was found again under another name
                raw = self.life.seen.pop(path)
                whole = raw[: raw.rfind(b"\n") + 1]
                assert any(data.startswith(whole) for data in present.values())
                self.life.seen.pop(path.with_suffix(".meta.json"), None)
        for path, raw in present.items():
            self.life.seen[path] = raw
            about = path.with_suffix(".meta.json")
            self.life.seen.pop(about, None)
            if path.name.startswith("agent-") and about.exists():
                self.life.seen[about] = about.read_bytes()

    def check(self) -> None:
        """Compare all that the index says with what the files say, those that are gone put back for the moment."""
        world = self.world
        for path, is_present in world.connection.execute("SELECT path, is_present FROM files"):
            assert bool(is_present) == Path(path).exists(), path
        rows, stats, sessions = all_rows(world.connection), world.stats(), sessions_of(world.library())
        with self._all_put_back():
            assert_same_rows(rows, rows_of_fresh_index(world.projects, world.now))
            wanted = sessions_of(library(world.projects, now=world.now))
            assert sessions.keys() == wanted.keys()
            for session_id, session in wanted.items():
                assert sessions[session_id] == session
            counted = count(world.projects)
            counted.by_change = collect_changes(library(world.projects, now=world.now))
            if any(turn.late_tool_calls for session in sessions.values() for turn in session.turns):
                stats, counted = _without_models_of_tools(stats), _without_models_of_tools(counted)
            assert stats == counted
        before = world.connection.total_changes
        report = world.update()
        assert (report.files_read, report.rows_written, world.connection.total_changes - before) == (0, 0, 0)

    @contextmanager
    def _all_put_back(self) -> Iterator[None]:
        gone = {path: raw for path, raw in self.life.seen.items() if not path.exists()}
        for path, raw in gone.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(raw)
        try:
            yield
        finally:
            for path in gone:
                path.unlink()


def _without_models_of_tools(stats: Stats) -> Stats:
    """Leave out whose tool calls were: of one that ran after a fork nothing in the session names the model."""
    for totals in stats.by_model.values():
        totals.tool_calls = 0
    stats.by_model = {model: totals for model, totals in stats.by_model.items() if totals.calls}
    for line in stats.sessions:
        line.models = []
    return stats
