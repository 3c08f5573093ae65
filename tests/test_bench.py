"""The made-up corpus of the benchmarks: the same every time, and counted right."""

from __future__ import annotations

from datetime import UTC
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bench.make_corpus import make_corpus
from otel_bridge.pipeline.stats import collect_stats
from otel_bridge.sources.transcript.discover import discover_sessions

MIB = 16


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Make a small corpus; return its folder and its truth."""
    folder = tmp_path_factory.mktemp("corpus")
    return folder, make_corpus(folder, MIB, seed=3)


def test_counting_gives_the_truth(corpus: tuple[Path, dict[str, Any]]) -> None:
    """Forks, sub-agents, placeholders and both kinds of cache writes are counted as they were made, cost exactly."""
    folder, truth = corpus
    totals = collect_stats(discover_sessions([folder]), zone=UTC, workers=1).totals
    assert truth["forks"] > 0
    assert truth["agents"] > 0
    assert {
        "calls": totals.calls,
        "tool_calls": totals.tool_calls,
        "input_tokens": totals.input_tokens,
        "output_tokens": totals.output_tokens,
        "cache_read_tokens": totals.cache_read_tokens,
        "cache_write_5m_tokens": totals.cache_write_tokens - totals.cache_write_1h_tokens,
        "cache_write_1h_tokens": totals.cache_write_1h_tokens,
    }.items() <= truth.items()
    assert totals.cost_usd == Decimal(truth["cost_usd"])


def test_the_corpus_is_deterministic(corpus: tuple[Path, dict[str, Any]], tmp_path: Path) -> None:
    """The same size and seed give the same bytes under the same names."""
    folder, truth = corpus
    assert make_corpus(tmp_path, MIB, seed=3) == truth
    for path in folder.rglob("*.jsonl"):
        assert (tmp_path / path.relative_to(folder)).read_bytes() == path.read_bytes()


def test_the_corpus_has_the_size_asked_for(corpus: tuple[Path, dict[str, Any]]) -> None:
    """The transcripts have about as many bytes as were asked for."""
    size = sum(path.stat().st_size for path in corpus[0].rglob("*.jsonl"))
    assert 0.8 * MIB < size / (1 << 20) < 1.3 * MIB
