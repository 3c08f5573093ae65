from __future__ import annotations

from pathlib import Path

import pytest

from otel_bridge.sources.transcript.assemble.packing import FORMAT
from otel_bridge.sources.transcript.lines import MAX_PROBLEMS_PER_FILE
from tests.pipeline.index.world import World, all_rows, append, touch, unreadable
from tests.transcripts import OTHER, SID, agent_file, count, dump, prompt, response, session_file


def files(world: World) -> list[tuple[str, int, int]]:
    """Return name, lines and presence of every file."""
    rows = world.connection.execute("SELECT path, lines, is_present FROM files ORDER BY path")
    return [(str(Path(path).relative_to(world.projects)), lines, is_present) for path, lines, is_present in rows]


def test_a_moved_file_keeps_what_was_read_under_its_new_name(world: World) -> None:
    """It is one file, its problems stand in it where they stood, and no line is read again."""
    path = session_file(world.root, SID, prompt(), b"garbage\n", response(at=1), slug="-a")
    world.update()
    target = path.parent.with_name("-b") / path.name
    target.parent.mkdir()
    path.rename(target)
    report = world.update()
    assert (report.files_read, report.lines_read) == (1, 0)
    assert files(world) == [(f"-b/{SID}.jsonl", 3, 1)]
    assert world.one("SELECT path FROM problems") == str(target)
    world.check()


def test_a_new_file_with_the_inode_of_one_that_went_is_another_file(world: World) -> None:
    """File systems give inodes out again at once: the content tells, and what the old one said stays."""
    old = session_file(world.root, SID, prompt(), response("msg_1", at=1))
    world.update()
    new = old.with_name(f"{OTHER}.jsonl")
    old.rename(new)
    new.write_bytes(dump(response("msg_2", at=9)))
    world.update([old, touch(new)])
    assert files(world) == [(f"-home-dev-widgets/{SID}.jsonl", 2, 0), (f"-home-dev-widgets/{OTHER}.jsonl", 1, 1)]
    calls = world.connection.execute(
        "SELECT session_id, message_id FROM sessions JOIN model_calls ON session = sessions.id"
    )
    assert sorted(calls) == [(SID, "msg_1"), (OTHER, "msg_2")]


def test_an_unreadable_file_is_not_taken_for_one_that_went(world: World) -> None:
    """Whether it is the same nobody can tell before it is read: nothing of the other one is given to it."""
    old = session_file(world.root, SID, prompt(), response("msg_1", at=1))
    world.update()
    new = old.with_name(f"{OTHER}.jsonl")
    old.rename(new)
    with unreadable(new):
        world.update()
    assert files(world) == [(f"-home-dev-widgets/{SID}.jsonl", 2, 0), (f"-home-dev-widgets/{OTHER}.jsonl", 0, 1)]
    assert world.one("SELECT session_id FROM sessions JOIN model_calls ON session = sessions.id") == SID
    world.update()
    assert files(world)[1][1] == 2


def test_an_unreadable_file_keeps_what_it_said(world: World) -> None:
    """It is a problem until it can be read again, and read on from where it was left."""
    path = session_file(world.root, SID, prompt(), response("msg_1", at=1))
    world.update()
    append(path, response("msg_2", at=2))
    with unreadable(path):
        assert world.update().unreadable_files == 1
        assert world.update().unreadable_files == 1
    assert (world.one("SELECT count(*) FROM model_calls"), world.one("SELECT reason FROM problems")) == (
        1,
        "unreadable",
    )
    report = world.update()
    assert (report.lines_read, report.unreadable_files) == (1, 0)
    world.check()


def test_a_deleted_file_keeps_what_it_said_and_can_be_asked_for(world: World) -> None:
    """The client deletes transcripts after 30 days; what is preserved only here is a query."""
    path = session_file(world.root, SID, prompt(), response(at=1))
    session_file(world.root, OTHER, prompt(at=50), response("msg_2", at=51))
    world.update()
    said = {table: rows for table, rows in all_rows(world.connection).items() if table != "files"}
    path.unlink()
    world.update()
    assert {table: rows for table, rows in all_rows(world.connection).items() if table != "files"} == said
    assert world.one("SELECT path FROM files WHERE is_present = 0") == str(path)
    assert sorted(world.library().session_ids) == [SID, OTHER]
    assert [turn.key for turn in world.library()[SID].turns]


def test_problems_of_a_growing_file_keep_their_place_up_to_a_number(world: World) -> None:
    """As many as if the file were read at once; all are counted."""
    path = session_file(world.root, SID, prompt())
    for _ in range(3):
        append(path, *[b"garbage\n"] * 60)
        world.update()
    stats = world.stats()
    assert stats.problems == count(world.root).problems
    assert (len(stats.problems), stats.lines.problem_count) == (MAX_PROBLEMS_PER_FILE, 180)


def test_a_rewritten_file_says_what_it_says_now(world: World) -> None:
    """Its texts, calls and lines of before are nowhere any more."""
    path = session_file(world.root, SID, prompt("old words"), response("msg_1", at=1))
    world.update()
    session_file(world.root, SID, prompt("new words"), response("msg_2", at=2))
    world.update([touch(path)])
    world.check()
    assert world.one("SELECT group_concat(text) FROM texts") == "new words"
    assert world.one("SELECT count(*) FROM call_copies") == 1


def test_a_file_grown_line_by_line_says_what_it_says_at_once(world: World) -> None:
    """However often its chunks were merged."""
    path = session_file(world.root, SID, prompt())
    for number in range(40):
        append(path, response(f"msg_{number}", at=number))
        world.update([path])
    assert world.one("SELECT max(level) FROM chunks") == 1
    world.check()


@pytest.fixture
def foreign(world: World) -> World:
    """Return a world whose session has a deleted sub-agent in a format nobody reads any more."""
    session_file(world.root, SID, prompt(), response("msg_1", at=1))
    agent = agent_file(world.root, SID, "a1", prompt(at=2), response("msg_a", at=3))
    session_file(world.root, OTHER, prompt(at=50), response("msg_2", at=51))
    world.update()
    agent.unlink()
    world.update()
    world.connection.execute(
        "UPDATE chunks SET data = CAST(? || substr(data, 2) AS BLOB)"
        " WHERE file = (SELECT id FROM files WHERE agent_id = 'a1')",
        (bytes((FORMAT + 1,)),),
    )
    return world


def test_a_session_with_a_chunk_of_a_foreign_format_keeps_its_rows(foreign: World) -> None:
    """An older version told what nobody can read any more; present files are read and other sessions go on."""
    main = foreign.projects / "-home-dev-widgets" / f"{SID}.jsonl"
    append(main, response("msg_9", at=9))
    append(main.with_name(f"{OTHER}.jsonl"), response("msg_3", at=53))
    report = foreign.update()
    assert (report.files_read, report.lines_read) == (2, 2)
    assert sorted(foreign.connection.execute("SELECT message_id FROM model_calls")) == [
        *(("msg_1",), ("msg_2",), ("msg_3",), ("msg_a",)),
    ]
    assert foreign.one("SELECT count(*) FROM unsettled") == 0


def test_a_rewritten_file_beside_a_foreign_chunk_stops_nothing(foreign: World) -> None:
    """What calls the session held is known from before."""
    path = session_file(foreign.root, SID, prompt(), response("msg_8", at=8))
    foreign.update([touch(path)])
    assert foreign.update().files_read == 0
    calls = foreign.connection.execute("SELECT message_id FROM model_calls WHERE session = 1 ORDER BY message_id")
    assert calls.fetchall() == [("msg_1",), ("msg_a",)]
