"""The shipped ``tempo.yaml`` passes the checks of ``doctor``, as far as the file itself tells."""

from __future__ import annotations

import pytest

from otel_bridge.backends.documents import read_yaml
from otel_bridge.backends.durations import DAY_NS
from otel_bridge.backends.tempo import tempo_facts
from otel_bridge.pipeline.preflight import History, SessionSpend, judge_tempo
from tools.stack.configured import CONFIG


@pytest.mark.parametrize(("age_days", "fails"), [(1, False), (399, False), (401, True)])
def test_the_shipped_tempo_keeps_and_finds_400_days(age_days: int, *, fails: bool) -> None:
    """Nothing of that age is lost or beyond what a query may ask for; of what is older the doctor would say so."""
    config = read_yaml((CONFIG / "tempo" / "tempo.yaml").read_text(encoding="utf-8"))
    assert config is not None
    now_ns = 1000 * DAY_NS
    old = SessionSpend("old", now_ns - age_days * DAY_NS, now_ns - age_days * DAY_NS, turns=100)
    checks = {check.name: check.verdict for check in judge_tempo(tempo_facts("3.0.3", config), History([old], now_ns))}
    assert checks == {
        "tempo": "ok",
        "tempo search": "failed" if fails else "ok",
        "tempo retention": "failed" if fails else "ok",
        "tempo search range": "ok",
        "tempo metrics range": "warning" if fails else "ok",
    }
