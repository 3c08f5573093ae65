"""What a backfill would lose in the stores as they are configured, said before it starts (pure)."""

from __future__ import annotations

from otel_bridge.pipeline.preflight.prometheus import judge_prometheus
from otel_bridge.pipeline.preflight.spending import History, SessionSpend
from otel_bridge.pipeline.preflight.tempo import judge_tempo

__all__ = ["History", "SessionSpend", "judge_prometheus", "judge_tempo"]
