from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from otel_bridge.pipeline.index.plan import DATA_VERSION, Plan, make_plan
from otel_bridge.sources.transcript.discover import discover_sessions
from otel_bridge.sources.transcript.growth import START, Checkpoint
from otel_bridge.store.files import all_files
from tests.pipeline.index.world import World, append, touch, write_family
from tests.transcripts import FORK, OTHER, SID, agent_file, prompt, response, session_file

AGENT = "a1"


@pytest.fixture
def known(world: World) -> World:
    """Return a world of a session with a sub-agent, all of it read."""
    session_file(world.root, SID, prompt(), response())
    agent_file(world.root, SID, AGENT, prompt(), about={"agentType": "Explore"})
    world.update()
    return world


def main_of(world: World) -> Path:
    return world.projects / "-home-dev-widgets" / f"{SID}.jsonl"


def about_of(world: World) -> Path:
    return world.projects / "-home-dev-widgets" / SID / "subagents" / f"agent-{AGENT}.meta.json"


def plan_of(world: World, pruned: dict[str, int] | None = None) -> Plan:
    return make_plan(discover_sessions([world.projects]), all_files(world.connection), pruned or {})


def read_paths(plan: Plan) -> list[str]:
    return [job.file.path for session in plan.jobs for job in session.files]


def test_what_looks_as_it_did_is_not_read(known: World) -> None:
    """Size, time and inode tell, and the meta file's time."""
    assert plan_of(known) == Plan()


def test_new_sessions_that_begin_alike_do_not_stand_alone(world: World) -> None:
    """One is a copy of the other; which of them is known when both are read. A file that is gone by now is no copy."""
    write_family(world)
    sessions = discover_sessions([world.projects])
    jobs = make_plan(sessions, [], {}).jobs
    assert {job.session_id: job.stands_alone for job in jobs} == {SID: False, FORK: False, OTHER: True}
    (world.root / "projects").rename(world.root / "elsewhere")
    assert all(job.stands_alone for job in make_plan(sessions, [], {}).jobs)


def in_place(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(data)
    touch(path)


def by_another_file(path: Path) -> None:
    status = path.stat()
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes())
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(path)


def grown(path: Path) -> None:
    status = path.stat()
    append(path, b"\n")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


@pytest.mark.parametrize("change", [in_place, by_another_file, grown])
def test_a_file_that_looks_otherwise_is_read(known: World, change: Callable[[Path], None]) -> None:
    """Each of time, inode and size is enough."""
    change(main_of(known))
    assert read_paths(plan_of(known)) == [str(main_of(known))]


@pytest.mark.parametrize("change", [touch, os.unlink])
def test_a_meta_file_that_changed_has_its_agent_read(known: World, change: Callable[[Path], None]) -> None:
    """It says where the agent belongs, and may come later than the agent's lines."""
    change(about_of(known))
    assert read_paths(plan_of(known)) == [str(about_of(known)).replace(".meta.json", ".jsonl")]


def test_a_meta_file_without_a_time_is_one(world: World) -> None:
    """What archives and images bring is from 1970."""
    path = agent_file(world.root, SID, AGENT, prompt(), about={"agentType": "Explore"})
    os.utime(path.with_suffix(".meta.json"), ns=(0, 0))
    world.update()
    assert world.one("SELECT json_extract(CAST(meta AS TEXT), '$.agentType') FROM files") == "Explore"
    assert plan_of(world) == Plan()


@pytest.mark.parametrize("said", ["is_present = 0", "is_readable = 0", "data_version = 0", "session_id = 'other'"])
def test_a_file_is_read_again_though_it_looks_as_it_did(known: World, said: str) -> None:
    """It was gone, could not be read, or was read otherwise than today."""
    known.connection.execute(f"UPDATE files SET {said} WHERE agent_id IS NULL")
    assert read_paths(plan_of(known)) == [str(main_of(known))]


@pytest.mark.parametrize(
    ("said", "from_start"),
    [("is_present = 0", False), ("is_readable = 0", False), ("data_version = 0", True), ("session_id = 'x'", True)],
)
def test_reading_goes_on_where_it_was_left_unless_it_was_read_otherwise(
    known: World, said: str, from_start: bool
) -> None:
    """What another version or under another session's name was read is read from the start."""
    known.connection.execute(f"UPDATE files SET {said} WHERE agent_id IS NULL")
    ((job,),) = [session.files for session in plan_of(known).jobs]
    size, crc = main_of(known).stat().st_size, known.one("SELECT crc FROM files WHERE agent_id IS NULL")
    assert job.checkpoint == (START if from_start else Checkpoint(size, 2, crc))


def test_bytes_to_read_are_those_that_came(known: World) -> None:
    """Progress is told in them."""
    append(main_of(known), b"12345\n")
    (job,) = plan_of(known).jobs
    assert (job.size_bytes, job.is_new) == (6, False)


def test_a_session_nothing_is_stored_of_is_new(known: World) -> None:
    """It can be put together from its files; one of which a file is known cannot."""
    session_file(known.root, OTHER, prompt())
    agent_file(known.root, SID, "a2", prompt())
    assert {job.session_id: job.is_new for job in plan_of(known).jobs} == {SID: False, OTHER: True}


def test_a_file_found_under_another_name_is_the_one_that_was_read(known: World) -> None:
    """Its inode tells, in whatever folder it is now."""
    target = known.projects / "-elsewhere" / f"{SID}.jsonl"
    target.parent.mkdir()
    main_of(known).rename(target)
    ((job,),) = [session.files for session in plan_of(known).jobs]
    assert job.stored is not None
    assert (job.stored.path, job.has_moved, job.checkpoint.lines) == (str(main_of(known)), True, 2)


def test_a_copy_whose_original_has_gone_may_be_the_one_that_was_read(known: World) -> None:
    """A folder moved to another disk: other inodes, but the session and the agent are the same."""
    target = known.projects / "-elsewhere" / f"{SID}.jsonl"
    target.parent.mkdir()
    target.write_bytes(main_of(known).read_bytes())
    ((job,),) = [session.files for session in plan_of(known).jobs]
    assert job.stored is None  # the original is there
    main_of(known).unlink()
    ((job,),) = [session.files for session in plan_of(known).jobs]
    assert job.stored is not None
    assert job.has_moved


def test_one_stored_file_is_found_again_once(known: World) -> None:
    """Of two copies the second one is read from the start."""
    data = main_of(known).read_bytes()
    for slug in ("-one", "-two"):
        (known.projects / slug).mkdir()
        (known.projects / slug / main_of(known).name).write_bytes(data)
    main_of(known).unlink()
    ((first, second),) = [session.files for session in plan_of(known).jobs]
    assert [job.stored is None for job in (first, second)] == [False, True]


def test_files_that_are_there_no_more_are_told_once(known: World) -> None:
    """One that may have moved too: whoever finds it again says so."""
    target = known.projects / "-elsewhere" / f"{SID}.jsonl"
    target.parent.mkdir()
    main_of(known).rename(target)
    assert [file.path for file in plan_of(known).gone] == [str(main_of(known))]
    known.connection.execute("UPDATE files SET is_present = 0")
    assert plan_of(known).gone == []


def test_what_lies_outside_of_the_roots_is_not_gone(known: World) -> None:
    """One index may be filled from several folders, one at a time."""
    assert make_plan([], all_files(known.connection), {}) == Plan()


def test_a_link_that_leads_nowhere_is_not_gone(known: World) -> None:
    """A disk that is not mounted brings its files back."""
    main_of(known).unlink()
    main_of(known).symlink_to("/nonexistent/transcript.jsonl")
    assert plan_of(known).gone == []


def test_a_removed_session_comes_back_when_it_grows(world: World) -> None:
    """Its files are passed over at the size they had."""
    path = session_file(world.root, FORK, prompt())
    size = path.stat().st_size
    assert plan_of(world, {FORK: size}) == Plan()
    append(path, response())
    assert read_paths(plan_of(world, {FORK: size})) == [str(path)]


def test_the_data_version_is_kept_with_every_file(known: World) -> None:
    """By it a later version knows which files to read anew."""
    assert known.one("SELECT DISTINCT data_version FROM files") == DATA_VERSION
