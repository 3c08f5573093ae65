"""What holds for all input there can be: nothing raises, nothing is lost, nothing is counted twice."""

from __future__ import annotations

import copy
import random
import tempfile
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from otel_bridge.convert import ConvertOptions, session_events, session_spans
from otel_bridge.model import Session
from otel_bridge.pipeline.stats import SessionStats, Stats
from otel_bridge.sources.transcript.lines import LineAccount
from tests.transcripts import (
    FORK,
    OTHER,
    SID,
    USAGE,
    Line,
    agent_file,
    agent_progress,
    api_error,
    ask,
    attachment,
    compact_boundary,
    cost_state,
    count,
    dump,
    final_error,
    fork_1_0_60,
    fork_2_1_50,
    fork_2_1_181,
    fork_2_1_329,
    fork_oh_my_posh,
    hook,
    interrupt,
    library,
    meta,
    notification,
    pr_link,
    progress,
    prompt,
    queue_operation,
    response,
    session_file,
    stop_hooks,
    text,
    tool_result,
    tool_use,
)

ALL = ConvertOptions(include_open=True)


def check(root: Path) -> tuple[Stats, dict[str, Session]]:
    """Read a folder in both ways, turn it into spans, and compare all three."""
    stats = count(root)
    sessions = {session.id: session for session in library(root)}
    lines = stats.lines
    assert places(lines) == lines.lines
    rows = {row.session_id: row for row in stats.sessions}
    assert rows.keys() == sessions.keys()
    for session_id, session in sessions.items():
        assert totals(session) == counted(rows[session_id])
        check_shape(session)
        check_spans(session)
    assert stats.totals.calls == sum(row.calls for row in stats.sessions)
    assert stats.totals.cost_usd == sum((row.cost_usd for row in stats.sessions), Decimal(0))
    for groups in (stats.by_model, stats.by_day):
        assert sum(group.calls for group in groups.values()) == stats.totals.calls
        assert sum(group.tool_calls for group in groups.values()) == stats.totals.tool_calls
    return stats, sessions


def places(lines: LineAccount) -> int:
    """Add up where lines went."""
    known = sum(lines.ignored.values()) + sum(lines.unknown.values())
    return lines.used + known + lines.blank + lines.lost + lines.unfinished


def totals(session: Session) -> tuple[Any, ...]:
    """Add up a session."""
    calls = list(session.calls())
    return (
        len(calls),
        sum(call.usage.input_tokens for call in calls),
        sum(call.usage.output_tokens for call in calls),
        sum(call.usage.cache_read_tokens for call in calls),
        sum(call.usage.cache_write_tokens for call in calls),
        sum(call.usage.cache_write_1h_tokens for call in calls),
        sum(call.usage.web_searches for call in calls),
        sum((call.cost_usd for call in calls if call.cost_usd is not None), Decimal(0)),
        sum(call.cost_usd is None for call in calls),
        sum(tool.is_finished for tool in session.tool_calls()),
        session.client_cost_usd,
        session.unrecorded_cost_usd,
        session.title,
        session.project,
        session.forked_from,
    )


def counted(row: SessionStats) -> tuple[Any, ...]:
    """Return the same of a session's line in the report."""
    return (
        row.calls,
        row.input_tokens,
        row.output_tokens,
        row.cache_read_tokens,
        row.cache_write_tokens,
        row.cache_write_1h_tokens,
        row.web_searches,
        row.cost_usd,
        row.unpriced_calls,
        row.tool_calls,
        row.client_cost_usd,
        row.unrecorded_cost_usd,
        row.title,
        row.project,
        row.forked_from,
    )


def check_shape(session: Session) -> None:
    """Keys are unique and no time runs backwards."""
    calls = list(session.calls())
    for ids in (
        [(turn.key, turn.ordinal) for turn in session.turns],
        [call.key for call in calls],
        [call.message_id for call in calls],
        [tool.id for tool in session.tool_calls()],
    ):
        assert not [key for key, number in Counter(ids).items() if number > 1]
    assert all(turn.started_ns <= turn.ended_ns for turn in session.turns)
    assert all(call.started_ns <= call.ended_ns for call in calls)
    assert all(tool.ended_ns is None or tool.started_ns <= tool.ended_ns for tool in session.tool_calls())


def check_spans(session: Session) -> None:
    """Every call and every finished tool call is one span."""
    spans = [span for batch in session_spans(session, ALL) for span in batch.items]
    names = Counter(span.name.split(" ")[0] for span in spans if hasattr(span, "name"))
    assert names["chat"] == len(list(session.calls()))
    assert names["execute_tool"] == sum(tool.is_finished for tool in session.tool_calls())
    assert all(batch.items for batch in session_events(session, ALL))


def busy_session() -> tuple[list[Line], list[Line]]:
    """Build a main lane and a sub-agent's with one of everything."""
    iterations = [{"type": "compaction", "input_tokens": 9}, {"type": "message", **USAGE}]
    details = {"server_tool_use": {"web_search_requests": 1}, "cache_creation": {"ephemeral_1h_input_tokens": 7}}
    agent = [
        prompt("look", at=3, promptId="p1"),
        ask("msg_a1", tool_use("toolu_a", "Read", file_path="/x"), at=4),
        tool_result("toolu_a", "text", at=5),
        response("msg_a2", at=6, usage=USAGE | {"iterations": iterations}),
    ]
    main = [
        meta("summary", summary="An old one", leafUuid="x"),
        queue_operation(at=0),
        prompt("Go", at=0, promptId="p1", promptSource="typed", origin={"kind": "human"}),
        hook("UserPromptSubmit", at=0.5),
        attachment("skill_listing", at=0.6),
        api_error(at=0.7),
        response("msg_1", text("Hm"), at=1, stop=None, requestedModel="claude-opus-4-6", usage=USAGE | details),
        ask("msg_1", tool_use("toolu_1", "Agent", prompt="look", subagent_type="Explore"), at=2),
        ask("msg_1", tool_use("toolu_2", command="git commit -m x && gh pr create"), at=2),
        *[agent_progress(line) for line in agent[:2]],
        ask("msg_i", tool_use("toolu_i"), at=3, isSidechain=True),
        progress("bash_progress", at=3),
        tool_result("toolu_1", "agentId: a1", at=9, result={"agentId": "a1", "totalDurationMs": 5}),
        tool_result("toolu_2", "[main 1a2b3c4] x", at=9, result={"stdout": "", "durationMs": 3}),
        pr_link(7, at=9),
        response("msg_2", at=10),
        stop_hooks(at=11, commands=2),
        compact_boundary(at=12),
        cost_state("0.01"),
        prompt(notification("a1", tool_id="toolu_1"), at=20, promptId="p2"),
        ask("msg_3", tool_use("toolu_3", "mcp__x__y"), at=21, model="claude-haiku-4-5"),
        tool_result("toolu_3", [text("no")], at=22, is_error=True, toolDenialKind="user-rejected"),
        interrupt(at=23, message_id="msg_3"),
        final_error(at=24),
        meta("ai-title", aiTitle="A title"),
        prompt("<command-name>/review</command-name>", at=30, promptId="p3"),
        response("msg_4", at=31, model="gpt-99"),
        response(None, at=32),
    ]
    return main, agent


def write_folder(root: Path, main: list[Line | bytes], agent: list[Line | bytes], about: Line | None = None) -> None:
    """Write both lanes, and a fork of the first half."""
    session_file(root, SID, *main)
    agent_file(root, SID, "a1", *agent, about=about)
    half = [line for line in main[: len(main) // 2] if isinstance(line, dict)]
    results = [tool_result(tool_id, at=901) for tool_id in ("toolu_1", "toolu_2", "toolu_i")]
    own = [queue_operation(at=900), *results, prompt("Fork", at=902), response("msg_f", at=903), cost_state("0.02")]
    session_file(root, FORK, *fork_2_1_181(half), *own)


SMALL_JUNK = [None, True, 0, -1, 1.5, 10**15, 10**30, "", "x", [], {}, [1], ["x"], {"x": 1}, [[]], {"type": "mode"}]
NAMES = ["msg_1", "toolu_1", "a1", SID, FORK, OTHER]
BAD_TEXTS = ["\ud800", "2026-99-99", "2026-03-02T09:00:01Z", "9999-12-31T00:00:00Z", "y" * 5000]
JUNK = st.sampled_from([*SMALL_JUNK, *NAMES, *BAD_TEXTS])
PLACES = st.integers(min_value=0, max_value=10**6)


def containers(value: Any) -> list[Any]:
    """Return the objects and lists of a JSON value, itself first."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return ([value] if isinstance(value, dict | list) and value else []) + [
        c for item in inner for c in containers(item)
    ]


def spoil(line: Line, where: int, junk: Any, *, removes: bool) -> Line:
    """Replace or remove one value somewhere inside a record."""
    spoiled = copy.deepcopy(line)
    everywhere = containers(spoiled)
    container = everywhere[where % len(everywhere)]
    keys = list(container) if isinstance(container, dict) else list(range(len(container)))
    key = keys[where % len(keys)]
    if removes:
        del container[key]
    else:
        container[key] = junk
    return spoiled


@given(st.lists(st.binary(max_size=60), max_size=6), st.binary(max_size=200))
@settings(max_examples=150, deadline=None)
def test_arbitrary_bytes_never_raise(chunks: list[bytes], about: bytes) -> None:
    """Any bytes in a transcript, a sub-agent's transcript and its meta file are read to the end and accounted for."""
    main, _ = busy_session()
    mixed = [part for n, chunk in enumerate(chunks) for part in (chunk, dump(main[n * 4]))]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        session_file(root, SID, *mixed, *chunks)
        path = agent_file(root, SID, "a1", *chunks)
        path.with_suffix(".meta.json").write_bytes(about)
        check(root)


@given(
    st.lists(st.tuples(PLACES, PLACES, JUNK, st.booleans()), min_size=1, max_size=12),
    st.fixed_dictionaries({}, optional=dict.fromkeys(("toolUseId", "parentAgentId", "agentType", "finished"), JUNK)),
)
@settings(max_examples=300, deadline=None)
def test_spoiled_lines_lose_nothing_that_is_left(
    faults: list[tuple[int, int, Any, bool]], about: dict[str, Any]
) -> None:
    """Any value of any record may be anything or missing: what is counted is what is shown and what is sent."""
    main, agent = busy_session()
    lines = main + agent
    for which, where, junk, removes in faults:
        lines[which % len(lines)] = spoil(lines[which % len(lines)], where, junk, removes=removes) or meta("x")
    stamped = [dump({"sessionId": SID} | line) for line in lines]
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_folder(root, list(stamped[: len(main)]), list(stamped[len(main) :]))
        path = root / "projects" / "-home-dev-widgets" / SID / "subagents" / "agent-a1.meta.json"
        path.write_bytes(dump(about))
        check(root)


@given(st.lists(st.tuples(PLACES, PLACES, st.binary(max_size=4), st.integers(0, 50)), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_spoiled_bytes_lose_nothing_that_is_left(faults: list[tuple[int, int, bytes, int]]) -> None:
    """Bytes that are overwritten, lost or put in anywhere damage their line and nothing else."""
    main, agent = busy_session()
    raw = [dump({"sessionId": SID} | line) for line in main + agent]
    for which, where, junk, lost in faults:
        line = raw[which % len(raw)]
        at = where % (len(line) + 1)
        raw[which % len(raw)] = line[:at] + junk + line[at + lost :]
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder), list(raw[: len(main)]), list(raw[len(main) :]))
        check(Path(folder))


@given(st.integers(0, 2**32), st.integers(0, 20), st.integers(0, 4))
@settings(max_examples=80, deadline=None)
def test_repeated_lines_split_files_and_forks_count_nothing_twice(seed: int, repeats: int, forks: int) -> None:
    """Lines written again, a session spread over folders and any number of forks change no total."""
    chance = random.Random(seed)
    main, agent = busy_session()
    with tempfile.TemporaryDirectory() as folder:
        plain = Path(folder) / "plain"
        session_file(plain, SID, *main)
        agent_file(plain, SID, "a1", *agent)
        expected, _ = check(plain)

        root = Path(folder) / "shuffled"
        repeated = list(main)
        for line in chance.choices([line for line in main if "uuid" in line], k=repeats):
            repeated.insert(chance.randint(main.index(line) + 1, len(repeated)), line)
        cut = chance.randint(0, len(repeated))
        session_file(root, SID, *repeated[:cut], slug="-one")
        session_file(root, SID, *repeated[chance.randint(0, cut) :], slug="-two")
        agent_file(root, SID, "a1", *agent, *chance.choices(agent, k=3))
        for n in range(forks):
            write_fork(root, main, chance, n)
        found, sessions = check(root)

    own = [row for row in found.sessions if row.session_id == SID]
    plain_row = [row for row in expected.sessions if row.session_id == SID]
    assert [counted(row)[:10] for row in own] == [counted(row)[:10] for row in plain_row]
    assert found.totals.calls == expected.totals.calls + forks
    assert found.totals.tool_calls == expected.totals.tool_calls
    assert len(sessions) == 1 + forks


def write_fork(root: Path, main: list[Line], chance: random.Random, number: int) -> None:
    """Write a session that copied a part of the history in one of the ways there are, and made a call of its own."""
    at = 10_000 * (number + 1)
    part = [line for line in main[: chance.randint(10, len(main))] if "uuid" in line]
    copies = [
        fork_1_0_60(part[:-1], at=at - 100),
        fork_2_1_50(part, origin=SID),
        fork_2_1_181(part),
        fork_2_1_329(part, prompt_id=f"fork-{number}"),
        fork_oh_my_posh(part),
    ]
    copied = [line for line in chance.choice(copies) if (line.get("message") or {}).get("id") != ""]
    own = [prompt("Fork", at=at, promptId=f"fork-{number}"), response(f"msg_fork_{number}", at=at + 1)]
    nameless = [line for line in copied if line["type"] == "assistant" and not line["message"]["id"]]
    session_id = f"{chance.choice('09ef')}{number:07x}-0000-4000-8000-000000000000"
    session_file(root, session_id, *[line for line in copied if line not in nameless], *own)
