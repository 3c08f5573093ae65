from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from otel_bridge.pipeline.index.plan import SessionJob, make_plan
from otel_bridge.pipeline.index.reading import SessionReading, read_session
from otel_bridge.prices import price_call
from otel_bridge.sources.transcript.assemble.packing import unpack
from otel_bridge.sources.transcript.calls import fingerprint
from otel_bridge.sources.transcript.discover import discover_sessions
from otel_bridge.sources.transcript.growth import START
from otel_bridge.sources.transcript.load import load_session, read_parts
from otel_bridge.store.files import all_files
from otel_bridge.store.rows import session_rows
from tests.pipeline.index.world import World, append, unreadable
from tests.transcripts import FAR_FUTURE_S, SID, agent_file, at_ns, dump, prompt, response, session_file, text

NOW_NS = at_ns(FAR_FUTURE_S)


def job_of(root: Path) -> SessionJob:
    (job,) = make_plan(discover_sessions([root]), [], {}).jobs
    return job


def read(job: SessionJob, *, with_answers: bool = False) -> SessionReading:
    return read_session(job, stretches_of=lambda _: [], now_ns=NOW_NS, with_answers=with_answers)


def test_a_new_session_brings_its_rows(tmp_path: Path) -> None:
    """Those of the session as its own files show it, a sub-agent's meta file among them."""
    session_file(tmp_path, SID, prompt(), response(at=1))
    agent_file(tmp_path, SID, "a1", prompt(at=2), response("msg_a", at=3), about={"agentType": "Explore"})
    reading = read(job_of(tmp_path))
    (files,) = discover_sessions([tmp_path])
    session = load_session(SID, read_parts({SID: files}), price=price_call, now_ns=NOW_NS)
    assert reading.rows == session_rows(session, user_name=reading.user_name)
    assert reading.rows is not None
    assert (len(reading.rows.model_calls), len(reading.rows.agents)) == (2, 1)
    assert (reading.project, reading.started_ns) == ("/home/dev/widgets", at_ns(0))


def test_a_known_session_brings_no_rows(world: World) -> None:
    """They depend on what is stored of it."""
    path = session_file(world.root, SID, prompt(), response(at=1))
    world.update()
    append(path, prompt("More", at=5))
    (job,) = make_plan(discover_sessions([world.projects]), all_files(world.connection), {}).jobs
    reading = read_session(job, stretches_of=world.place.stretches, now_ns=NOW_NS, with_answers=False)
    (file,) = reading.files
    assert (reading.rows, file.is_rewritten, file.account.lines, file.checkpoint.lines) == (None, False, 1, 3)


def test_a_reading_can_be_sent_between_processes(tmp_path: Path) -> None:
    """Workers are other processes."""
    session_file(tmp_path, SID, prompt(), response(at=1))
    reading = read(job_of(tmp_path))
    assert pickle.loads(pickle.dumps(reading)) == reading


def test_the_lines_are_packed_and_the_one_without_newline_apart(tmp_path: Path) -> None:
    """It is read again when it is whole, but counts at once, its call too."""
    path = session_file(tmp_path, SID, prompt(), response("msg_1", at=1))
    append(path, dump(response("msg_2", at=2)).rstrip(b"\n"))
    (file,) = read(job_of(tmp_path)).files
    assert file.chunk is not None
    assert file.tail is not None
    assert [list(unpack(data).drafts) for data in (file.chunk, file.tail)] == [["msg_1"], ["msg_2"]]
    assert file.keys == [fingerprint("msg_1"), fingerprint("msg_2")]
    assert (file.account.lines, file.tail_account.lines, file.checkpoint.lines) == (2, 1, 2)


def test_a_file_without_lines_brings_nothing(tmp_path: Path) -> None:
    """Not even an empty chunk."""
    session_file(tmp_path, SID)
    (file,) = read(job_of(tmp_path)).files
    assert (file.chunk, file.tail, file.keys, file.checkpoint) == (None, None, [], START)


def test_texts_have_no_secrets_in_them_and_answers_only_on_request(tmp_path: Path) -> None:
    """What is looked for is what somebody typed; what it must not find is a key."""
    key = "sk-ant-api03-" + "a1B2" * 10
    session_file(tmp_path, SID, prompt(f"Use {key} please"), response("msg_1", text("An answer"), at=1))
    (file,) = read(job_of(tmp_path)).files
    assert [known.kind for known in file.texts] == ["prompt"]
    assert key not in file.texts[0].text
    assert file.texts[0].text.startswith("Use ")
    (file,) = read(job_of(tmp_path), with_answers=True).files
    assert [(known.kind, known.text) for known in file.texts][1:] == [("answer", "An answer")]


def test_a_file_that_cannot_be_read_is_a_problem_and_others_are_read(tmp_path: Path) -> None:
    """Bad input loses nothing beside it."""
    path = session_file(tmp_path, SID, prompt(), response(at=1))
    agent_file(tmp_path, SID, "a1", prompt(at=2), response("msg_a", at=3))
    with unreadable(path):
        reading = read(job_of(tmp_path))
    assert reading.rows is not None
    assert [(file.is_readable, file.chunk is None) for file in reading.files] == [(False, True), (True, False)]
    assert ([row[0] for row in reading.rows.model_calls], len(reading.rows.problems)) == (["req_msg_a"], 1)
    assert [problem.reason for problem in reading.files[0].tail_account.problems] == ["unreadable"]


def test_a_damaged_meta_file_is_one_problem_of_the_session_and_none_of_its_lines(tmp_path: Path) -> None:
    """The account of the lines is kept, and what the meta file says is decoded whenever the session is told."""
    session_file(tmp_path, SID, prompt(), response(at=1))
    agent_file(tmp_path, SID, "a1", prompt(at=2)).with_suffix(".meta.json").write_bytes(b"{")
    reading = read(job_of(tmp_path))
    assert reading.rows is not None
    assert [row[4] for row in reading.rows.problems] == ["bad_meta"]
    assert [(file.account.problem_count, file.tail_account.problem_count) for file in reading.files] == [(0, 0)] * 2


def test_a_meta_file_that_cannot_be_read_costs_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a problem, the agent's lines are used, and it is looked at again."""
    session_file(tmp_path, SID, prompt(), response(at=1))
    agent_file(tmp_path, SID, "a1", prompt(at=2), response("msg_a", at=3), about={})

    def refused(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refused)
    _, agent = read(job_of(tmp_path)).files
    assert (agent.is_readable, agent.account.lines, agent.meta, agent.meta_mtime_ns) == (True, 2, None, 0)
    assert [problem.reason for problem in agent.tail_account.problems] == ["bad_meta"]


def test_a_meta_file_that_went_meanwhile_is_none(tmp_path: Path) -> None:
    """Between the look and the reading; nothing is wrong with that."""
    session_file(tmp_path, SID, prompt())
    path = agent_file(tmp_path, SID, "a1", prompt(at=2), about={})
    job = job_of(tmp_path)
    path.with_suffix(".meta.json").unlink()
    _, agent = read(job).files
    assert (agent.is_readable, agent.meta, agent.tail_account.problems) == (True, None, [])
