from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from otel_bridge.errors import NotFoundError
from otel_bridge.pipeline.index import passes, plan, settling, writing
from otel_bridge.pipeline.index.passes import IndexOptions, index_files
from otel_bridge.pipeline.index.place import IndexPlace
from tests.pipeline.index.world import (
    World,
    all_rows,
    append,
    assert_same_rows,
    memory_index,
    touch,
    write_family,
)
from tests.transcripts import (
    FORK,
    OTHER,
    SID,
    at_ns,
    dump,
    prompt,
    response,
    session_file,
    text,
)

# --- what a pass tells -----------------------------------------------------------------------------------------------


def test_a_pass_tells_what_it_did(world: World) -> None:
    """Files there are, files and lines read, rows written, and whose rows were made."""
    write_family(world)
    first, again = world.update(), world.update()
    assert (first.files, first.files_read, first.lines_read) == (4, 4, 5 + 2 + 5 + 2)
    assert (first.unreadable_files, first.sessions) == (0, sorted([SID, FORK, OTHER]))
    assert first.rows_written > 30
    assert (again.files, again.files_read, again.lines_read, again.rows_written, again.sessions) == (4, 0, 0, 0, [])


def test_progress_is_told_in_bytes_and_ends_with_all_of_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once for each transaction."""
    sizes = sorted((path.stat().st_size for path in write_family(world)), reverse=True)
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
    write_family(world)
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
    main, agent, *_ = write_family(world)
    size = main.stat().st_size + agent.stat().st_size
    world.connection.execute("INSERT INTO pruned VALUES (?, ?, '', 0, 0, 0)", (SID, size))
    world.update()
    append(agent, response("msg_b", at=3))
    world.update([agent])
    assert world.one("SELECT calls FROM sessions WHERE session_id = ?", SID) == 3
    world.check()


# --- what changed, named by its paths --------------------------------------------------------------------------------


def test_only_what_changed_is_looked_at(world: World) -> None:
    """A folder of thousands need not be listed for a line."""
    paths = write_family(world)
    world.update()
    append(paths[3], response("msg_o2", at=62))
    append(paths[2], response("msg_f2", at=63))
    report = world.update([paths[3]])
    assert (report.files, report.files_read, report.lines_read) == (1, 1, 1)
    world.update([paths[2]])
    world.check()


def test_a_changed_meta_file_means_its_agent(world: World) -> None:
    """The agent's lines are not read again for it."""
    _, agent, *_ = write_family(world)
    world.update()
    about = agent.with_suffix(".meta.json")
    about.write_text('{"agentType": "Plan"}')
    report = world.update([touch(about)])
    assert (report.files_read, report.lines_read) == (1, 0)
    assert world.one("SELECT type FROM agents") == "Plan"
    world.check()


def test_a_path_that_may_be_a_folder_has_everything_looked_at(world: World) -> None:
    """A folder that was renamed says nothing of the files in it."""
    write_family(world)
    world.update()
    folder = world.projects / "-home-dev-widgets"
    folder.rename(world.projects / "-renamed")
    report = world.update([folder, world.projects / "-renamed"])
    assert (report.files, report.lines_read) == (4, 0)
    assert world.one("SELECT count(*) FROM files WHERE is_present = 0") == 0
    world.check()


@pytest.mark.parametrize("name", ["journal.jsonl", "history.jsonl", "notes.txt", "x.meta.json"])
def test_a_path_that_is_no_transcript_brings_nothing(world: World, name: str) -> None:
    """Events tell of every file there is."""
    write_family(world)
    world.update()
    path = world.projects / name
    path.write_bytes(dump(prompt()))
    assert world.update([path]).files_read == 0


def test_a_deleted_file_among_what_changed_is_gone(world: World) -> None:
    """At once, without a look at everything."""
    paths = write_family(world)
    world.update()
    paths[3].unlink()
    world.update([paths[3]])
    assert world.one("SELECT path FROM files WHERE is_present = 0") == str(paths[3])


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
    paths = write_family(world)
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
    path = write_family(world)[3]
    world.update()
    content = path.read_bytes()
    path.unlink()
    world.update()
    upgrade(monkeypatch)
    world.update()
    path.write_bytes(content)
    assert world.update([path]).lines_read == 2
    world.check()


# --- workers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_the_number_of_workers_leaves_no_trace(world: World, workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the first pass and at one over what grew since."""
    monkeypatch.setattr(passes, "_PARALLEL_FROM_BYTES", 0)
    monkeypatch.setattr(settling, "_PARALLEL_FROM", 1)
    paths = write_family(world)
    first = world.update(workers=workers)
    world.check()
    for number, path in enumerate(paths):
        append(path, response(f"msg_more_{number}", at=70 + number))
    again = world.update(workers=workers)
    world.check()
    assert [(report.files_read, report.lines_read) for report in (first, again)] == [(4, 14), (4, 4)]
    assert again.sessions == first.sessions


def test_an_index_in_memory_is_as_good(tmp_path: Path) -> None:
    """What tests are made with is what is promised."""
    world = World(tmp_path)
    write_family(world)
    world.update()
    with closing(memory_index()) as connection:
        index_files(IndexPlace(tmp_path, connection), [world.projects], now_ns=at_ns(world.now), options=IndexOptions())
        assert_same_rows(all_rows(connection), all_rows(world.connection))
    world.connection.close()
