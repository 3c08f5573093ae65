"""The real client at work while ``watch`` runs: its spans are there at once, its cost is the client's own."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

from tests.cli.commands import environment_of, run, run_json
from tests.realclient.evidence import Sightings, SpanId, Transcript, exported_spans, read_transcript
from tests.realclient.obtained import client_in_isolation
from tests.stack.conftest import start_stack
from tests.stack.exports import Reader
from tools.realclient.install import VERSIONS
from tools.realclient.scenario import load_scenario
from tools.stack.stack import Stack
from tools.stack.stores import eventually

pytestmark = pytest.mark.slow

log = logging.getLogger(__name__)

CHECKOUT = Path(__file__).parents[2]
SCENARIO = CHECKOUT / "tools" / "realclient" / "tides.toml"
SERVICE = "watched"
WITHIN_S = 3.0
GRAIN_USD = Decimal("1e-10")
"""Finer than any price of a token; the client and Prometheus add binary fractions, whose error is far below."""


@pytest.mark.parametrize("version", VERSIONS[-1:])
def test_a_watched_client_is_live_and_exact(version: str, tmp_path: Path) -> None:
    """A turn's spans, those of an export and no others, are stored 3 s after its last line; costs are the client's."""
    machine, data = tmp_path / "machine", tmp_path / "data"
    config = machine / "home" / ".claude"
    inside = [sys.executable, "-m", "tools.realclient.inside", str(machine), str(SCENARIO)]
    command = client_in_isolation(version, *inside)
    with start_stack(tmp_path / "stack") as stack, Sightings(stack.trace_store, SERVICE) as seen:
        with watching(stack, config, data, tmp_path / "watch.log"):
            played = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=200, check=False)
            assert played.returncode == 0, played.stderr
            transcript = read_transcript(config / "projects")
            spans = exported(config, tmp_path / "spans.jsonl")
            eventually(lambda: seen.first_seen_s.keys() >= spans.keys(), bool, 15)
            costs_are_those_of_the_client(stack, config, data, transcript)
        assert seen.look() == dict.fromkeys(spans, 1)
    delays_s = turn_delays_s(spans, transcript, seen.first_seen_s)
    log.info("seconds from the last line of a turn to its last span: %s", delays_s)
    assert len(delays_s) == sum(saying.results for run in load_scenario(SCENARIO, machine).runs for saying in run.say)
    assert all(0 < delay_s <= WITHIN_S for delay_s in delays_s.values()), delays_s


@contextmanager
def watching(stack: Stack, config: Path, data: Path, output: Path) -> Iterator[None]:
    """Run ``watch`` before the client has written anything, and end it as Ctrl-C does."""
    command = [sys.executable, "-m", "otel_bridge", "watch", "--endpoint", stack.collector_http]
    environment = environment_of(config, data) | {"OTEL_SERVICE_NAME": SERVICE}
    with output.open("wb") as file:
        process = subprocess.Popen(command, env=environment, stdout=file, stderr=file)
    try:
        assert "watching" in eventually(lambda: output.read_text(encoding="utf-8"), lambda text: "watching" in text, 20)
        yield
    finally:
        process.terminate()
        code = process.wait(20)
    assert code == 0, output.read_text(encoding="utf-8")


def exported(config: Path, file: Path) -> dict[SpanId, str | None]:
    """Export everything at once, without any index."""
    done = run("export", config, "--to-file", file, OTEL_SERVICE_NAME=SERVICE)
    assert done.returncode == 0, done.stderr
    return exported_spans(file)


def turn_delays_s(
    spans: Mapping[SpanId, str | None], transcript: Transcript, first_seen_s: Mapping[SpanId, float]
) -> dict[str, float]:
    """Return the seconds from the last line of anything in a turn to its last span in the store, by its last message.

    A turn is told by its trace.
    """
    ended_s: dict[str, float] = defaultdict(float)
    stored_s: dict[str, float] = defaultdict(float)
    ends: dict[str, str] = {}
    for (trace_id, span_id), about in spans.items():
        stored_s[trace_id] = max(stored_s[trace_id], first_seen_s[trace_id, span_id])
        if about is not None:
            ended_s[trace_id] = max(ended_s[trace_id], transcript.written_s[about])
        if about in transcript.turn_ends:
            ends[trace_id] = about
    return {about: stored_s[trace_id] - ended_s[trace_id] for trace_id, about in ends.items()}


def costs_are_those_of_the_client(stack: Stack, config: Path, data: Path, transcript: Transcript) -> None:
    """Assert that recorded and unrecorded cost are the client's total: in the watched index and in Prometheus."""
    totals_usd = {session: transcript.total_usd(session).quantize(GRAIN_USD) for session in transcript.totals_usd}
    told = run_json("stats", CLAUDE_CONFIG_DIR=str(config), OTEL_BRIDGE_DATA_DIR=str(data))["sessions"]
    assert {
        each["session_id"]: Decimal(each["cost_usd"]) + Decimal(each["unrecorded_cost_usd"]) for each in told
    } == totals_usd
    assert any(Decimal(each["unrecorded_cost_usd"]) for each in told)
    assert eventually(lambda: stored_costs_usd(stack), lambda found: found == totals_usd, 15) == totals_usd


def stored_costs_usd(stack: Stack) -> dict[str, Decimal]:
    """Return what Prometheus says each session cost, recorded and unrecorded."""
    reader = Reader(stack, SERVICE, time.time())
    found = reader.sum(reader.last("coding_agent_cost_USD_total"), "session_id")
    return {session: Decimal(usd).quantize(GRAIN_USD) for session, usd in found.items()}
