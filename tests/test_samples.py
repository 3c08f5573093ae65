"""The sample sessions in the package: real recordings, complete for reading, free of what is not ours or private."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from otel_bridge.cli.options import samples_folder
from otel_bridge.sources.transcript.kinds import USED_ATTACHMENTS, USED_KINDS
from tests.captures import RUNS, read_sessions, unpack_transcripts
from tools.make_samples import SAMPLE_RUNS
from tools.strip_capture import PRIVATE, strip_lines

MAX_BYTES = 300_000


def published(tmp_path: Path) -> Iterator[Path]:
    """Yield every transcript we publish: the samples and the test fixtures."""
    yield from samples_folder().rglob("*.jsonl")
    for run in RUNS:
        yield from unpack_transcripts(run, tmp_path).rglob("*.jsonl")


def test_samples_are_small() -> None:
    """The samples add less than 300 kB to the package."""
    assert 0 < sum(path.stat().st_size for path in samples_folder().rglob("*.json*")) < MAX_BYTES


def test_samples_are_the_recordings(tmp_path: Path) -> None:
    """The samples are, file by file, recordings that the tests compare with the client's own telemetry."""
    recorded = {}
    for run in SAMPLE_RUNS:
        projects = unpack_transcripts(run, tmp_path)
        recorded |= {path.relative_to(projects): path.read_bytes() for path in projects.rglob("*.json*")}
    samples = samples_folder()
    assert recorded == {path.relative_to(samples): path.read_bytes() for path in samples.rglob("*.json*")}


def test_nothing_private_or_foreign_is_published(tmp_path: Path) -> None:
    """No address, token or home folder, no prompt of the client, no reminder or rendered attachment is in any line."""
    for path in published(tmp_path):
        text = path.read_text(encoding="utf-8")
        assert PRIVATE.search(text) is None, path
        for marker in ("<system-reminder>", '"rendered":', "renderedInHumanTurn", "cliPrefix", "systemPrompt"):
            assert marker not in text, (path, marker)


def test_published_lines_are_of_known_types(tmp_path: Path) -> None:
    """Every published line is of a type the reader uses; other attachments have kept their place and nothing else."""
    for path in published(tmp_path):
        for line in map(json.loads, path.read_bytes().splitlines()):
            assert line["type"] in USED_KINDS
            if line["type"] == "attachment" and line["attachment"]["type"] not in USED_ATTACHMENTS:
                assert line["attachment"].keys() == {"type"}


def test_stripping_is_stable(tmp_path: Path) -> None:
    """Stripping what is stripped already changes nothing."""
    for path in published(tmp_path):
        assert b"".join(strip_lines(path.read_bytes().splitlines())) == path.read_bytes()


def test_samples_show_what_the_product_does() -> None:
    """The samples have a fork, nested sub-agents, compactions and a pull request; nothing unpriced, no problem."""
    sessions = read_sessions(samples_folder()).values()
    tools = [tool for session in sessions for tool in session.tool_calls()]
    agents = [tool.agent for tool in tools if tool.agent is not None]
    assert sum(session.forked_from is not None for session in sessions) == 1
    assert sum(agent.parent_agent_id is not None for agent in agents) == 2
    assert sum(len(agent.compactions) for agent in agents) == 3
    assert {link.pull_request.number for session in sessions for link in session.pull_requests} == {652}
    assert [session.id for session in sessions if session.problems or session.quality.unpriced_calls] == []
