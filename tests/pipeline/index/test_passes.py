from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from otel_bridge.errors import NotFoundError
from otel_bridge.pipeline.index import passes, plan, settling, writing
from otel_bridge.pipeline.index.passes import IndexOptions, index_files
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.sources.transcript import lines as transcript_lines
from tests.pipeline.index.happenings import assert_same_rows
from tests.pipeline.index.world import World, all_rows, append, memory_index, rows_of_fresh_index, touch
from tests.transcripts import (
    FORK,
    OTHER,
    SID,
    Line,
    agent_file,
    ask,
    at_ns,
    dump,
    fork_2_1_181,
    pr_link,
    prompt,
    queue_operation,
    response,
    session_file,
    text,
    tool_result,
    tool_use,
)

BRANCH = {"gitBranch": "feat/gears"}


def family(world: World) -> list[Path]:
    """Write a session with a sub-agent and a link, a fork of it, and another session on the linked branch."""
    history = [prompt("Go", **BRANCH), ask("msg_1", tool_use(command="ls"), at=1, **BRANCH), tool_result(at=2)]
    return [
        session_file(world.root, SID, queue_operation(at=0), *history, pr_link(7, at=3)),
        agent_file(world.root, SID, "a1", prompt(at=1), response("msg_a", at=2), about={"agentType": "Explore"}),
        session_file(world.root, FORK, *fork_2_1_181(history), queue_operation(at=50), response("msg_f", at=51)),
        session_file(world.root, OTHER, prompt(at=60, **BRANCH), response("msg_o", at=61, **BRANCH)),
    ]


def long_session(calls: int) -> list[Line]:
    lines = [prompt(at=0)]
    for number in range(calls):
        at = 10 * number
        tool = tool_use(f"toolu_{number}", command="make")
        lines += [ask(f"msg_{number}", tool, at=at), tool_result(f"toolu_{number}", at=at + 1)]
    return lines


def check(world: World) -> None:
    assert_same_rows(all_rows(world.connection), rows_of_fresh_index(world.projects, world.now))


# --- what a pass tells -----------------------------------------------------------------------------------------------


def test_a_pass_tells_what_it_did(world: World) -> None:
    """Files there are, files and lines read, rows written, and whose rows were made."""
    family(world)
    first, again = world.update(), world.update()
    assert (first.files, first.files_read, first.lines_read) == (4, 4, 5 + 2 + 5 + 2)
    assert (first.unreadable_files, first.sessions) == (0, sorted([SID, FORK, OTHER]))
    assert first.rows_written > 30
    assert (again.files, again.files_read, again.lines_read, again.rows_written, again.sessions) == (4, 0, 0, 0, [])


def test_progress_is_told_in_bytes_and_ends_with_all_of_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each transaction."""
    sizes = sorted((path.stat().st_size for path in family(world)), reverse=True)
    monkeypatch.setattr(passes, "_BYTES_AT_ONCE", 1)
    told: list[tuple[int, int]] = []
    index_files(
        world.place,
        [world.projects],
        now_ns=at_ns(world.now),
        options=IndexOptions(),
        progress=lambda *done: told.append(done),
    )
    assert [total for _, total in told] == [sum(sizes)] * len(told)
    assert len(told) >= 3
    assert told[-1][0] == sum(sizes)


def test_a_folder_that_is_not_there_is_an_error(world: World) -> None:
    """The index stays as it was: nothing of it is taken for deleted."""
    family(world)
    world.update()
    world.projects.rename(world.root / "moved")
    with pytest.raises(NotFoundError, match="no such file or folder"):
        world.update()
    assert world.one("SELECT count(*) FROM files WHERE is_present = 0") == 0


def test_answers_are_found_from_the_line_on_where_that_was_asked_for(world: World) -> None:
    """What was read before is not read again for it."""
    path = session_file(world.root, SID, prompt("Go"), response("msg_1", text("First"), at=1))
    world.update()
    append(path, response("msg_2", text("Second"), at=2))
    world.update(with_answers=True)
    assert world.connection.execute("SELECT text FROM texts WHERE kind = 'answer'").fetchall() == [("Second",)]


def test_a_removed_session_is_passed_over_until_it_grows(world: World) -> None:
    """Its files may be there for a month yet; what is new brings all of it back."""
    path = session_file(world.root, SID, prompt(), response(at=1))
    world.connection.execute("INSERT INTO pruned VALUES (?, ?, '', 0, 0, 0)", (SID, path.stat().st_size))
    assert world.update().files_read == 0
    assert world.update([path]).files_read == 0
    append(path, response("msg_2", at=2))
    assert world.update([path]).lines_read == 3
    assert world.one("SELECT calls FROM sessions") == 2


def test_a_removed_session_grows_with_any_of_its_files(world: World) -> None:
    """All of them are weighed, though only one of them changed."""
    main, agent, *_ = family(world)
    size = main.stat().st_size + agent.stat().st_size
    world.connection.execute("INSERT INTO pruned VALUES (?, ?, '', 0, 0, 0)", (SID, size))
    world.update()
    append(agent, response("msg_b", at=3))
    world.update([agent])
    assert world.one("SELECT calls FROM sessions WHERE session_id = ?", SID) == 3
    check(world)


# --- what changed, named by its paths --------------------------------------------------------------------------------


def test_only_what_changed_is_looked_at(world: World) -> None:
    """A folder of thousands need not be listed for a line."""
    paths = family(world)
    world.update()
    append(paths[3], response("msg_o2", at=62))
    append(paths[2], response("msg_f2", at=63))
    report = world.update([paths[3]])
    assert (report.files, report.files_read, report.lines_read) == (1, 1, 1)
    world.update([paths[2]])
    check(world)


def test_a_changed_meta_file_means_its_agent(world: World) -> None:
    """The agent's lines are not read again for it."""
    _, agent, *_ = family(world)
    world.update()
    about = agent.with_suffix(".meta.json")
    about.write_text('{"agentType": "Plan"}')
    report = world.update([touch(about)])
    assert (report.files_read, report.lines_read) == (1, 0)
    assert world.one("SELECT type FROM agents") == "Plan"
    check(world)


def test_a_path_that_may_be_a_folder_has_everything_looked_at(world: World) -> None:
    """A folder that was renamed says nothing of the files in it."""
    family(world)
    world.update()
    folder = world.projects / "-home-dev-widgets"
    folder.rename(world.projects / "-renamed")
    report = world.update([folder, world.projects / "-renamed"])
    assert (report.files, report.lines_read) == (4, 0)
    assert world.one("SELECT count(*) FROM files WHERE is_present = 0") == 0
    check(world)


@pytest.mark.parametrize("name", ["journal.jsonl", "history.jsonl", "notes.txt", "x.meta.json"])
def test_a_path_that_is_no_transcript_brings_nothing(world: World, name: str) -> None:
    """Events tell of every file there is."""
    family(world)
    world.update()
    path = world.projects / name
    path.write_bytes(dump(prompt()))
    assert world.update([path]).files_read == 0


def test_a_deleted_file_among_what_changed_is_gone(world: World) -> None:
    """At once, without a look at everything."""
    paths = family(world)
    world.update()
    paths[3].unlink()
    world.update([paths[3]])
    assert world.one("SELECT path FROM files WHERE is_present = 0") == str(paths[3])


# --- work ------------------------------------------------------------------------------------------------------------


class Openings:
    """Notes the transcripts and meta files that this process opens, by whatever way."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.is_noting = True
        sys.addaudithook(self._hear)  # for ever: hooks cannot be taken away

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and self.is_noting and str(arguments[0]).endswith((".jsonl", ".meta.json")):
            self.paths.append(str(arguments[0]))


@pytest.fixture
def openings() -> Iterator[Openings]:
    noted = Openings()
    yield noted
    noted.is_noting = False


def disk_bytes(world: World) -> dict[str, bytes]:
    """Return the files of the index as they are on disk."""
    return {
        path.name: path.read_bytes() for path in world.path.parent.glob("index.sqlite3*") if "-shm" not in path.name
    }


@pytest.mark.slow
def test_a_warm_pass_opens_no_file_and_writes_no_byte(world: World, openings: Openings) -> None:
    """1,011 files, sub-agents, forks and linked branches among them."""
    family(world)
    for number in range(1007):
        session_id = f"{number:08x}-1111-4000-8000-000000000000"
        session_file(world.root, session_id, prompt(at=number), response(f"msg_{number}", at=number + 1, **BRANCH))
    assert world.update().files_read == 1011
    assert len(set(openings.paths)) == 1011 + 1
    openings.paths.clear()
    world.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    before, changes = disk_bytes(world), world.connection.total_changes
    report = world.update()
    assert openings.paths == []
    assert (report.files, report.files_read, report.rows_written) == (1011, 0, 0)
    assert world.connection.total_changes == changes
    assert disk_bytes(world) == before


def decoded_lines(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return a list that gets every line handed to the decoder from now on."""
    decoded: list[bytes] = []
    real = transcript_lines.record_decoder()

    def decode(raw: bytes) -> Any:
        decoded.append(raw)
        return real(raw)

    monkeypatch.setattr(transcript_lines, "record_decoder", lambda: decode)
    return decoded


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(response("msg_new", at=99_999), id="answer"),
        pytest.param(prompt("More", at=99_999), id="prompt"),
        pytest.param(ask("msg_new", tool_use("toolu_new", command="ls"), at=99_999), id="tool"),
    ],
)
def test_one_line_more_is_decoded_alone_and_writes_as_many_rows_in_a_long_session_as_in_a_short_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: Line
) -> None:
    """Ten calls or a thousand: the work is that of the line."""
    written = []
    for calls in (10, 1000):
        world = World(tmp_path / str(calls), in_memory=True)
        path = session_file(world.root, SID, *long_session(calls))
        world.update()
        append(path, line)
        decoded = decoded_lines(monkeypatch)
        report = world.update([path])
        assert (decoded, report.files_read, report.lines_read) == ([dump(line)], 1, 1)
        written.append(report.rows_written)
        monkeypatch.undo()
        check(world)
    assert written[0] == written[1] <= 20


@pytest.mark.slow
def test_a_file_grown_line_by_line_keeps_few_chunks_and_is_not_written_again_too_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of n lines: chunks as log n, bytes written as n log n."""
    world, written, single = World(tmp_path, in_memory=True), [0], [0]
    path = session_file(world.root, SID, prompt())
    world.update()
    add, merge = passes.files.add_chunk, passes.files.merge_chunks

    def adding(connection: sqlite3.Connection, file_id: int, data: bytes) -> None:
        single[0] += len(data)
        add(connection, file_id, data)

    def merging(connection: sqlite3.Connection, file_id: int, merged: list[Any], data: bytes) -> None:
        written[0] += len(data)
        merge(connection, file_id, merged, data)

    monkeypatch.setattr(passes.files, "add_chunk", adding)
    monkeypatch.setattr(passes.files, "merge_chunks", merging)
    monkeypatch.setattr(passes, "settle", lambda *_, **__: [])  # rows are another matter
    for number in range(1, 16**2 * 2):
        append(path, response(f"msg_{number}", at=number))
        world.update([path])
        assert world.one("SELECT count(*) FROM chunks") <= 3 * 15
    assert 0 < written[0] <= 2 * single[0]  # each line at most once for each level above its own
    assert world.one("SELECT max(level) FROM chunks") == 2
    monkeypatch.undo()
    world.update()
    check(world)


# --- an end in between -----------------------------------------------------------------------------------------------


class Interrupted(BaseException):
    """The process is told to end."""


class Fragile(sqlite3.Connection):
    """A connection that breaks off at one of its writes."""

    left: int | None = None
    """How many writes go well from now on; ``None`` for all."""

    def execute(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self._count(sql)
        return super().execute(sql, *values)

    def executemany(self, sql: str, *values: Any) -> sqlite3.Cursor:
        self._count(sql)
        return super().executemany(sql, *values)

    def _count(self, sql: str) -> None:
        if self.left is not None and sql.startswith(("INSERT", "UPDATE", "DELETE", "BEGIN", "COMMIT")):
            if self.left == 0:
                self.left = None
                raise Interrupted
            self.left -= 1


def copy_of(connection: sqlite3.Connection) -> Fragile:
    copy = sqlite3.connect(":memory:", isolation_level=None, factory=Fragile)
    connection.backup(copy)
    return copy


def nothing(world: World, paths: list[Path]) -> None:
    """Let nothing have been read before."""


def everything(world: World, paths: list[Path]) -> None:
    """Let all have been read, then change, move, delete and rewrite some of it."""
    world.update()
    append(paths[0], response("msg_9", at=9), b'{"half')
    paths[1].rename(paths[1].with_name("agent-a2.jsonl"))
    paths[3].unlink()
    session_file(world.root, FORK, prompt("Other"), response("msg_g", at=55))
    touch(paths[2])
    session_file(world.root, f"9{SID[1:]}", prompt(at=90), response("msg_1", at=1))


@pytest.mark.slow
@pytest.mark.parametrize("before", [nothing, everything])
def test_a_pass_that_ends_at_any_write_is_completed_by_the_next(
    tmp_path: Path, before: Callable[[World, list[Path]], None]
) -> None:
    """To the rows of a pass that was left alone; none is lost, none is there twice."""
    world = World(tmp_path, in_memory=True)
    before(world, family(world))
    start = world.connection
    world.place = IndexPlace(world.path, copy_of(start))
    world.update()
    wanted = all_rows(world.connection)
    ends = 0
    while True:
        with closing(copy_of(start)) as connection:
            world.place = IndexPlace(world.path, connection)
            connection.left = ends
            try:
                world.update()
            except Interrupted:
                ends += 1
            else:
                break
            assert not connection.in_transaction
            world.update()
            assert_same_rows(all_rows(connection), dict(wanted))
    assert ends > 30


def test_what_a_transaction_wrote_before_an_end_is_not_read_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupted first run goes on from there."""
    family(world)
    monkeypatch.setattr(passes, "_BYTES_AT_ONCE", 1)

    def interrupt(done: int, total: int) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        index_files(world.place, [world.projects], now_ns=at_ns(world.now), options=IndexOptions(), progress=interrupt)
    assert 1 <= world.one("SELECT count(*) FROM files") < 4
    report = world.reopened().update()
    assert 1 <= report.files_read < 4
    check(world)


# --- versions --------------------------------------------------------------------------------------------------------


def upgrade(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let reading a file give something else from now on."""
    newer = plan.DATA_VERSION + 1
    for module in (plan, writing):
        monkeypatch.setattr(module, "DATA_VERSION", newer)


def test_another_version_of_the_reader_reads_anew_what_is_there_and_keeps_the_rest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was deleted nobody can read again; a pass later nothing is left to do."""
    paths = family(world)
    world.update()
    paths[1].unlink()
    paths[3].unlink()
    world.update()
    before, older = all_rows(world.connection), plan.DATA_VERSION
    world.connection.execute("UPDATE turns SET cwd = 'as an older version read it' WHERE session = 1")
    upgrade(monkeypatch)
    report = world.update()
    assert (report.files_read, report.lines_read) == (2, 10)
    after = all_rows(world.connection)
    assert {name: rows for name, rows in after.items() if name != "files"} == {
        name: rows for name, rows in before.items() if name != "files"
    }
    versions = world.connection.execute("SELECT is_present, data_version FROM files").fetchall()
    assert sorted(versions) == [(0, older), (0, older), (1, older + 1), (1, older + 1)]
    assert world.update().files_read == 0


def test_a_file_that_comes_back_is_read_by_the_version_that_finds_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It had been gone when the version changed."""
    path = family(world)[3]
    world.update()
    content = path.read_bytes()
    path.unlink()
    world.update()
    upgrade(monkeypatch)
    world.update()
    path.write_bytes(content)
    assert world.update([path]).lines_read == 2
    check(world)


# --- workers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_number_of_workers_leaves_no_trace(world: World, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first pass and at one over what grew since."""
    monkeypatch.setattr(passes, "_PARALLEL_FROM_BYTES", 0)
    monkeypatch.setattr(settling, "_PARALLEL_FROM", 1)
    paths = family(world)
    first = world.update(workers=workers)
    check(world)
    for number, path in enumerate(paths):
        append(path, response(f"msg_more_{number}", at=70 + number))
    again = world.update(workers=workers)
    check(world)
    assert [(report.files_read, report.lines_read) for report in (first, again)] == [(4, 14), (4, 4)]
    assert again.sessions == first.sessions


def test_an_index_in_memory_is_as_good(tmp_path: Path) -> None:
    """What tests are made with is what is promised."""
    world = World(tmp_path)
    family(world)
    world.update()
    with closing(memory_index()) as connection:
        index_files(IndexPlace(tmp_path, connection), [world.projects], now_ns=at_ns(world.now), options=IndexOptions())
        assert_same_rows(all_rows(connection), all_rows(world.connection))
    world.connection.close()
