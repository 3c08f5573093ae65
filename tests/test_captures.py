"""Real client runs: what we read from transcripts against what the client counted itself, to the last digit.

``WATERFALLS`` is the result: for every session our figures, each difference by name, and the client's own counters.
The rules behind the names are in ``client_habits.py``; amounts here are not fitted but recomputed from those rules.
"""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from otel_bridge.model import Session, Usage
from otel_bridge.pipeline.stats import collect_stats
from otel_bridge.sources.transcript.discover import discover_sessions
from tests.captures import RUNS, native_account, read_sessions, unpack_transcripts
from tests.client_habits import final_output, is_unstreamed, session_entries
from tests.waterfall import (
    Row,
    as_client,
    entry_row,
    exact,
    joined,
    native_total,
    rendered_waterfall,
    request_row,
    total,
    usage_row,
    waterfall,
)

WATERFALLS = """\
run and session                                              USD    input  output      read    write
1.0.60/basic 41ea0cdc     transcript                    0.466885      192     427    250500    33600
                          final output                  0.053425        0    2137         0        0
                          not streamed: free            -0.03176      -12    -139    -15200    -2100
                          stream counted twice            0.4283      180      15    235300    31500
                          1-hour writes at 5-minute       -0.225        0       0         0        0
                          unknown model's price           1.3837        0       0         0        0
                          small model's side calls      0.107568      360    2070    450000    63000
                          client                        2.183118      720    4510    920600   126000
1.0.60/turns 644cc132     transcript                    0.157809       84     416    106500    14700
                          final output                   0.01395        0     558         0        0
                          stream counted twice          0.153044       84       7    106500    14700
                          1-hour writes at 5-minute       -0.081        0       0         0        0
                          unknown model's price         0.487606        0       0         0        0
                          small model's side calls     0.0501984      168     966    210000    29400
                          client                       0.7816074      336    1947    423000    58800
1.0.60/turns 5fed1933     transcript                     0.02846       12       1     15500     2100
                          final output                  0.003525        0     141         0        0
                          stream counted twice           0.02846       12       1     15500     2100
                          1-hour writes at 5-minute       -0.015        0       0         0        0
                          unknown model's price          0.09089        0       0         0        0
                          small model's side calls     0.0071712       24     138     30000     4200
                          client                       0.1435062       48     281     61000     8400
1.0.60/turns 3c1cf01f     transcript                    0.097709       84     280    106500    14700
                          final output                   0.01041        0     694         0        0
                          stream counted twice          0.096344       84       7    106500    14700
                          1-hour writes at 5-minute       -0.051        0       0         0        0
                          unknown model's price         0.035906        0       0         0        0
                          small model's side calls     0.0501984      168     966    210000    29400
                          client                       0.2395674      336    1947    423000    58800
2.0.30/basic 6fdccc55     transcript                    0.503302      280     977    310700    42900
                          final output                   0.05685        0    2274         0        0
                          not streamed: free            -0.03176      -12    -139    -15200    -2100
                          prompt not counted           -0.462952     -268       0   -295500   -40800
                          unknown model's price           0.1144        0       0         0        0
                          client                         0.17984        0    3112         0        0
2.0.30/turns fec9e546     transcript                    0.290315      168     831    212900    29400
                          final output                    0.0279        0    1116         0        0
                          prompt not counted            -0.28326     -168       0   -212900   -29400
                          model asked for                0.00275        0       0         0        0
                          unknown model's price           0.0562        0       0         0        0
                          client                        0.093905        0    1947         0        0
2.0.30/turns 792edecd     transcript                    0.053898       36     275     45800     6300
                          final output                    0.0036        0     144         0        0
                          prompt not counted           -0.051133      -36       0    -45800    -6300
                          unknown model's price          0.00725        0       0         0        0
                          client                        0.013615        0     419         0        0
2.0.30/turns e3296f81     transcript                    0.141993      120     691    151600    21000
                          final output                  0.010425        0     695         0        0
                          prompt not counted           -0.135748     -120       0   -151600   -21000
                          model asked for                0.00275        0       0         0        0
                          client                         0.01942        0    1386         0        0
2.1.50/basic 0ffae78b     transcript                    0.491692      256      19    280700    38700
                          final output                   0.06849        0    2958         0        0
                          1-hour writes at 5-minute       -0.129        0       0         0        0
                          small model's side calls       0.02411       60     685     75000    10500
                          client                        0.455292      316    3662    355700    49200
2.1.50/compact e5d8151a   transcript                    1.139805   205036       4     45300     6300
                          final output                   0.02305        0     922         0        0
                          1-hour writes at 5-minute      -0.0225        0       0         0        0
                          long-prompt surcharge           1.0314        0       0         0        0
                          compaction                    0.024185       12     138     15100     2100
                          small model's side calls      0.004822       12     137     15000     2100
                          client                        2.200762   205060    1201     75400    10500
2.1.50/turns fce32d47     transcript                    0.238374      120      10    152900    21000
                          final output                  0.029265        0    1389         0        0
                          model asked for               0.050636        0       0         0        0
                          1-hour writes at 5-minute       -0.075        0       0         0        0
                          small model's side calls      0.014466       36     411     45000     6300
                          client                        0.257741      156    1810    197900    27300
2.1.50/turns 1ebd8d85     transcript                     0.02861       12       1     15800     2100
                          final output                    0.0036        0     144         0        0
                          1-hour writes at 5-minute      -0.0075        0       0         0        0
                          client                         0.02471       12     145     15800     2100
2.1.50/turns 86574180     transcript                      0.1133       96       8    121600    16800
                          final output                   0.01383        0    1104         0        0
                          model asked for               0.025318        0       0         0        0
                          unknown model's price         0.101632        0       0         0        0
                          1-hour writes at 5-minute        -0.06        0       0         0        0
                          small model's side calls      0.009644       24     274     30000     4200
                          client                        0.203724      120    1386    151600    21000
2.1.181/basic 4146ff6c    transcript                    0.560182      256    2977    280700    38700
                          client                        0.560182      256    2977    280700    38700
2.1.181/compact f1c247cf  transcript                    1.162855   205036     926     45300     6300
                          client                        1.162855   205036     926     45300     6300
2.1.181/turns c6b2993e    transcript                    0.267639      120    1399    152900    21000
                          model asked for               0.050636        0       0         0        0
                          client                        0.318275      120    1399    152900    21000
2.1.181/turns 7ccf8851    transcript                     0.03221       12     145     15800     2100
                          client                         0.03221       12     145     15800     2100
2.1.181/turns a25c9237    transcript                     0.12645       96     976    121600    16800
                          final output                   0.00068        0     136         0        0
                          model asked for               0.025318        0       0         0        0
                          client                        0.152448       96    1112    121600    16800
2.1.329/basic c98019bb    transcript                     0.59293      256    2977    280700    38700
                          client                         0.59293      256    2977    280700    38700
2.1.329/compact 60964497  transcript                    3.645455   615156    3332    196500    27300
                          compaction                     0.19011       72     828     90600    12600
                          client                        3.835565   615228    4160    287100    39900
2.1.329/turns c0bd6ceb    transcript                    0.267639      120    1399    152900    21000
                          model asked for               0.050636        0       0         0        0
                          client                        0.318275      120    1399    152900    21000
2.1.329/turns 53d0b47e    transcript                     0.03221       12     145     15800     2100
                          client                         0.03221       12     145     15800     2100
2.1.329/turns fcea3b0e    transcript                     0.12713       96    1112    121600    16800
                          model asked for               0.025318        0       0         0        0
                          client                        0.152448       96    1112    121600    16800
"""

COST_STATE_RUNS = [run for run in RUNS if run.startswith("2.1.329/")]
NEW_CLIENTS = ("2.1.50", "2.1.181", "2.1.329")
"""Versions whose sub-agents do the same under the same script."""


@pytest.fixture(scope="session")
def captures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Projects folder of each run."""
    folder = tmp_path_factory.mktemp("captures")
    return {run: unpack_transcripts(run, folder) for run in RUNS}


@pytest.fixture
def sessions(captures: dict[str, Path], run: str) -> dict[str, Session]:
    """Sessions of the run under test."""
    return read_sessions(captures[run])


@pytest.mark.parametrize("run", RUNS)
def test_every_difference_to_the_client_has_a_name(run: str, sessions: dict[str, Session]) -> None:
    """Our figures plus the named differences are the client's counters, and each is as large as the table says."""
    in_order = sorted(sessions.values(), key=lambda session: session.started_ns)
    for session in in_order:
        *steps, (_, client) = waterfall(run, session)
        assert total(figures for _, figures in steps) == client
    rendered = [line for session in in_order for line in rendered_waterfall(run, session)]
    assert rendered == expected_waterfalls(run)


@pytest.mark.parametrize("run", RUNS)
def test_every_call_is_the_native_one(run: str, sessions: dict[str, Session]) -> None:
    """Call by call, the rules of the client's version turn our tokens and cost into those of its native event."""
    for session in sessions.values():
        for entry in joined(run, session)[0]:
            assert entry_row(as_client(run, entry)) == request_row(entry.request), entry.call.message_id


@pytest.mark.parametrize("run", RUNS)
def test_counters_by_model(run: str, sessions: dict[str, Session]) -> None:
    """Per session and model the client's counters are the sum of its events, under the model it priced each one as."""
    ours: dict[tuple[str, str], Row] = defaultdict(Row)
    for session in sessions.values():
        entries, unseen = joined(run, session)
        for entry in entries:
            ours[session.id, as_client(run, entry).label] += entry_row(as_client(run, entry))
        for request in unseen:
            ours[session.id, request.model] += request_row(request)
    account = native_account(run)
    native: dict[tuple[str, str], Row] = defaultdict(Row)
    for cost in account.cost_usage:
        native[cost.session_id, cost.model] += Row(exact(cost.usd))
    for t in account.token_usage:
        native[t.session_id, t.model] += Row(Decimal(0), t.input, t.output, t.cacheRead, t.cacheCreation)
    assert ours == native


@pytest.mark.parametrize("run", RUNS)
def test_every_event_is_accounted_for(run: str, sessions: dict[str, Session]) -> None:
    """Every native request belongs to a session we read: to one of its calls, or to those no transcript records."""
    found = []
    for session in sessions.values():
        entries, unseen = joined(run, session)
        found += [*unseen, *(entry.request for entry in entries)]
    assert sorted(found, key=repr) == sorted(native_account(run).api_requests, key=repr)


@pytest.mark.parametrize("run", RUNS)
def test_stats_and_sessions_agree(run: str, sessions: dict[str, Session], captures: dict[str, Path]) -> None:
    """The quick count and the full reading give the same calls, tokens and cost for every session."""
    stats = collect_stats(discover_sessions([captures[run]]), zone=UTC, workers=1)
    for counted in stats.sessions:
        session = sessions[counted.session_id]
        calls = list(session.calls())
        usage = sum((call.usage for call in calls), Usage())
        assert counted.calls == len(calls)
        assert counted.tool_calls == sum(tool.is_finished for tool in session.tool_calls())
        assert (counted.input_tokens, counted.output_tokens) == (usage.input_tokens, usage.output_tokens)
        assert (counted.cache_read_tokens, counted.cache_write_tokens, counted.cache_write_1h_tokens) == (
            usage.cache_read_tokens,
            usage.cache_write_tokens,
            usage.cache_write_1h_tokens,
        )
        assert counted.cost_usd == sum(call.cost_usd or 0 for call in calls)
        assert (counted.client_cost_usd, counted.unrecorded_cost_usd) == (
            session.client_cost_usd,
            session.unrecorded_cost_usd,
        )


@pytest.mark.parametrize("run", COST_STATE_RUNS)
def test_cost_state(run: str, sessions: dict[str, Session], captures: dict[str, Path]) -> None:
    """Tokens of all kinds are those of ``cost-state`` once the unseen calls are added, and its cost is native's."""
    inherited = {session.id: cost_state(captures[run], session.forked_from) for session in sessions.values()}
    for session in sessions.values():
        unseen = total(request_row(request) for request in joined(run, session)[1])
        usage = sum((call.usage for call in session.calls()), Usage())
        ours = usage_row(usage, session.client_cost_usd or Decimal(0))
        state, before = cost_state(captures[run], session.id), inherited[session.id]
        assert (ours + unseen).tokens == tuple(state[key] - before[key] for key in STATE_TOKENS)
        assert usage.web_searches == state["webSearchRequests"] - before["webSearchRequests"]
        if not unseen.write:
            hour = "cacheCreationEphemeral1hInputTokens"
            assert usage.cache_write_1h_tokens == state[hour] - before[hour]
        assert session.client_cost_usd == native_total(run, session.id).usd


@pytest.mark.parametrize("run", COST_STATE_RUNS)
def test_unrecorded_cost(run: str, sessions: dict[str, Session]) -> None:
    """What a session's own total leaves unexplained is the sum of the named differences, and the reason given fits."""
    for session in sessions.values():
        _, *steps, _ = waterfall(run, session)
        assert session.unrecorded_cost_usd == total(figures for _, figures in steps).usd
        reasons = {"model asked for": "answered_model", "compaction": "compaction"}
        assert set(session.unrecorded_reasons) == {reasons[name] for name, _ in steps}


def test_compaction_calls_by_name(captures: dict[str, Path]) -> None:
    """2.1.329/compact: the 0.19011 USD no transcript records are six ``compact`` requests, two for each sub-agent."""
    (session,) = read_sessions(captures["2.1.329/compact"]).values()
    unseen = joined("2.1.329/compact", session)[1]
    assert [request.query_source for request in unseen] == ["compact"] * 6
    assert exact(sum((request.cost_usd for request in unseen), Decimal(0))) == Decimal("0.19011")
    assert session.unrecorded_cost_usd == Decimal("0.19011")


def test_failed_compaction(captures: dict[str, Path]) -> None:
    """2.1.50/compact: the one unseen Opus request ends as the sub-agent gives up over a prompt that is too long."""
    (session,) = read_sessions(captures["2.1.50/compact"]).values()
    (request,) = [one for one in joined("2.1.50/compact", session)[1] if one.model == "claude-opus-4-6"]
    (agent,) = {entry.agent.id: entry.agent for entry in session_entries(session) if entry.agent}.values()
    (error,) = agent.errors
    assert error.error_type == "invalid_request"
    assert abs(request.at - error.at_ns) <= 5_000_000


@pytest.mark.parametrize("run", [run for run in RUNS if run.startswith("2.1.50/")])
def test_side_calls_of_shell_commands(run: str, sessions: dict[str, Session]) -> None:
    """2.1.50 asks its small model about the output of every shell command that succeeded, and records none of it."""
    for session in sessions.values():
        tools = [tool for tool in session.tool_calls() if tool.name == "Bash" and tool.is_finished]
        unseen = [request for request in joined(run, session)[1] if "haiku" in request.model]
        assert len(unseen) == sum(tool.error_type is None for tool in tools)


@pytest.mark.parametrize("run", ["1.0.60/basic", "2.0.30/basic"])
def test_answer_in_one_piece(run: str, sessions: dict[str, Session]) -> None:
    """The answer after the scripted 529 is in the transcript in full, and native has an event of zeros for it."""
    (session,) = sessions.values()
    (entry,) = [entry for entry in joined(run, session)[0] if is_unstreamed(entry.call)]
    assert entry.usage == Usage(12, 139, 15_200, 100, 2_000)
    assert request_row(entry.request) == Row()


@pytest.mark.parametrize("scenario", ["basic", "turns", "compact"])
def test_same_script_same_tokens(scenario: str, captures: dict[str, Path]) -> None:
    """Under one script all newer versions' transcripts hold the same tokens, once placeholders have final counts."""
    totals = {}
    for version in NEW_CLIENTS if scenario != "compact" else NEW_CLIENTS[:2]:  # 2.1.329 nests three agents there
        run = f"{version}/{scenario}"
        entries = [entry for session in read_sessions(captures[run]).values() for entry in joined(run, session)[0]]
        totals[version] = total(entry_row(final_output(entry)) for entry in entries).tokens
    assert len(set(totals.values())) == 1, totals


STATE_TOKENS = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheCreationInputTokens")


def cost_state(projects: Path, session_id: str | None) -> dict[str, int]:
    """Return the token counts of a session's last ``cost-state``, over all models; zeros for no session."""
    state: dict[str, int] = defaultdict(int)
    if session_id is None:
        return state
    (path,) = projects.rglob(f"{session_id}.jsonl")
    records: list[dict[str, Any]] = [json.loads(line) for line in path.read_bytes().splitlines()]
    usages = [record["modelUsage"] for record in records if record["type"] == "cost-state"]
    for model in usages[-1].values():
        for key, count in model.items():
            state[key] += count
    return state


def expected_waterfalls(run: str) -> list[str]:
    lines, current = [], ""
    for line in WATERFALLS.splitlines()[1:]:
        current = line.split(" ", 1)[0] or current
        if current == run:
            lines.append(line)
    return lines
