from __future__ import annotations

from pathlib import Path

import pytest

from otel_bridge.pipeline.changes import collect_changes
from otel_bridge.pipeline.index.stored import StoredLibrary, read_stored, total_account
from otel_bridge.sources.transcript.assemble.packing import ForeignFormatError
from tests.captures import RUNS, read_sessions, unpack_transcripts
from tests.pipeline.index.world import World, append, sessions_of
from tests.sources.test_properties import busy_session, write_folder
from tests.transcripts import (
    FAR_FUTURE_S,
    FORK,
    OTHER,
    SID,
    agent_file,
    at_ns,
    count,
    fork_2_1_181,
    library,
    prompt,
    queue_operation,
    response,
    session_file,
)


@pytest.mark.parametrize("run", RUNS)
def test_sessions_of_a_recording_are_those_of_its_files(
    run: str, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Every field of every session, as five versions of the client wrote them."""
    world = World(tmp_path, in_memory=True)
    world.projects = unpack_transcripts(run, tmp_path_factory.getbasetemp())
    world.update()
    assert sessions_of(world.library()) == read_sessions(world.projects)


def test_a_busy_session_and_its_fork_are_those_of_their_files(world: World) -> None:
    """One of everything a transcript can hold; the report adds up to the same, too."""
    main, agent = busy_session()
    write_folder(world.root, list(main), list(agent), {"agentType": "Explore", "toolUseId": "toolu_1"})
    world.update()
    files = library(world.projects)
    assert sessions_of(world.library()) == sessions_of(files)
    stats = count(world.projects)
    stats.by_change = collect_changes(files)
    assert world.stats() == stats


def test_a_fork_without_its_origin_is_told_from_its_own_files(world: World) -> None:
    """Metrics end the series that somebody wrote who did not know the origin."""
    history = [prompt(), response("msg_1", at=1)]
    session_file(world.root, SID, queue_operation(at=0), *history)
    session_file(world.root, FORK, *fork_2_1_181(history), queue_operation(at=50), prompt(at=51))
    world.update()
    (unaware,) = world.library().lesser_views(FORK)
    assert ([call.message_id for call in unaware.calls()], unaware.forked_from) == (["msg_1"], None)
    assert not world.library().lesser_views(SID)


def test_only_what_shares_calls_decides_whose_a_prompt_is(world: World) -> None:
    """A session forked before the first answer has the prompt alone: that others share calls says nothing of it."""
    first = [prompt("Go", at=0)]
    early = FORK[:-1] + "e"
    session_file(world.root, SID, queue_operation(at=0), *first, response("msg_1", at=1))
    own = [response("msg_2", at=61)]
    session_file(world.root, OTHER, *fork_2_1_181(first), queue_operation(at=60), *own)
    world.update()
    alone = world.library()[OTHER], count(world.root).sessions
    session_file(world.root, FORK, queue_operation(at=90), *fork_2_1_181([*first, response("msg_1", at=1)]))
    session_file(world.root, early, queue_operation(at=95), *fork_2_1_181([*first, *own]))
    world.update()
    lines = {line.session_id: line for line in count(world.root).sessions}
    assert world.library()[OTHER] == alone[0]
    assert [lines[line.session_id] for line in alone[1]] == alone[1]
    assert {line.session_id: line for line in world.stats().sessions} == lines


def test_a_session_nobody_knows_has_no_parts(world: World) -> None:
    """Whoever asks is told, and nothing breaks."""
    assert read_stored(world.connection, SID) is None


def test_a_foreign_chunk_is_said_to_be_one(world: World) -> None:
    """Whoever wants the whole session has to decide what to do without it."""
    session_file(world.root, SID, prompt())
    world.update()
    world.connection.execute("UPDATE chunks SET data = x'ff'")
    with pytest.raises(ForeignFormatError):
        world.library()[SID]


def test_a_library_of_some_sessions_lists_these(world: World) -> None:
    """And gives any other that is asked for."""
    session_file(world.root, SID, prompt())
    session_file(world.root, OTHER, prompt())
    world.update()
    some = StoredLibrary(world.connection, now_ns=at_ns(FAR_FUTURE_S), session_ids=[OTHER])
    assert (some.session_ids, some[SID].id) == ([OTHER], SID)


def test_the_account_is_that_of_all_lines_the_last_ones_without_newline_too(world: World) -> None:
    """Added up over files and over what each brought at a time."""
    path = session_file(world.root, SID, prompt(), b"garbage\n")
    agent_file(world.root, SID, "a1", prompt(at=1))
    world.update()
    append(path, b"\n", b'{"type":"user"')
    world.update()
    account = total_account(world.connection)
    assert (account.lines, account.used, account.lost, account.blank, account.unfinished) == (5, 2, 1, 1, 1)
    assert account.counts() == count(world.root).lines
