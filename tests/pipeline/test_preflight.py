from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from otel_bridge.backends.durations import DAY_NS, HOUR_NS, MINUTE_NS
from otel_bridge.backends.prometheus import PrometheusFacts
from otel_bridge.backends.tempo import Knob, TempoFacts
from otel_bridge.pipeline.checks import Check, Fix, Loss
from otel_bridge.pipeline.preflight import History, SessionSpend, judge_prometheus, judge_tempo

NOW = 2_000 * DAY_NS
GOOD_PROMETHEUS = PrometheusFacts(
    "3.15.0", window_ns=400 * DAY_NS, retention_ns=400 * DAY_NS, takes_otlp=True, takes_remote_write=False
)
STOCK_PROMETHEUS = PrometheusFacts(
    "3.15.0", window_ns=0, retention_ns=15 * DAY_NS, takes_otlp=False, takes_remote_write=False
)
SLACK, WORKER, SCHEDULER = "live_store.wal.slack", "backend_worker.retention", "backend_scheduler.retention"
YEAR_NS = 365 * DAY_NS
GOOD_TEMPO = TempoFacts(
    "3.0.3",
    slacks=(Knob(SLACK, YEAR_NS),),
    retentions=(Knob(WORKER, YEAR_NS), Knob(SCHEDULER, YEAR_NS)),
    search_range=Knob("search.max_duration", 0),
    metrics_range=Knob("metrics.max_duration", YEAR_NS),
    max_attribute_bytes=16384,
    http_port=4318,
)
STOCK_TEMPO = structs.replace(
    GOOD_TEMPO,
    slacks=(Knob(SLACK, 2 * MINUTE_NS),),
    retentions=(Knob(WORKER, 14 * DAY_NS), Knob(SCHEDULER, 14 * DAY_NS)),
    search_range=Knob("search.max_duration", 7 * DAY_NS),
    metrics_range=Knob("metrics.max_duration", DAY_NS),
    max_attribute_bytes=2048,
)


def session(*ages_ns: int, usd: str = "1") -> SessionSpend:
    """Build a session with a call of the given cost at each age, oldest first."""
    calls = tuple((NOW - age_ns, Decimal(usd)) for age_ns in ages_ns)
    return SessionSpend(f"session {ages_ns}", calls[0][0], calls[-1][0], calls)


def history(*sessions: SessionSpend) -> History:
    return History(sessions, NOW)


THREE_WEEKS = history(
    session(21 * DAY_NS, 21 * DAY_NS - HOUR_NS, usd="10"),
    session(16 * DAY_NS, 10 * DAY_NS, usd="0.5"),
    session(3 * HOUR_NS, usd="0.25"),
    session(MINUTE_NS, usd="0.125"),
)


def checks_of(checks: list[Check]) -> dict[str, Check]:
    assert len({check.name for check in checks}) == len(checks)
    return {check.name: check for check in checks}


def verdicts(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.verdict for check in checks}


def test_the_recommended_configurations_lose_nothing() -> None:
    """All is well for three weeks of sessions."""
    assert set(verdicts(judge_prometheus(GOOD_PROMETHEUS, THREE_WEEKS)).values()) == {"ok"}
    assert set(verdicts(judge_tempo(GOOD_TEMPO, THREE_WEEKS)).values()) == {"ok"}


def test_a_stock_prometheus_loses_what_is_older_than_an_hour() -> None:
    """The window is named with the line to change, sessions and money with it."""
    check = checks_of(judge_prometheus(STOCK_PROMETHEUS, THREE_WEEKS))["prometheus window"]
    assert check.verdict == "failed"
    assert check.loss == Loss(3, 0, Decimal("21.25"))
    assert check.fixes == (Fix("prometheus.yaml", "storage.tsdb.out_of_order_time_window", "400d"),)
    assert "3 of 4 sessions would be lost (21.2500 USD)" in check.found


def test_a_stock_prometheus_deletes_what_is_older_than_its_retention() -> None:
    """A session that goes on later keeps its total: its series are cumulative."""
    check = checks_of(judge_prometheus(STOCK_PROMETHEUS, THREE_WEEKS))["prometheus retention"]
    assert check.verdict == "failed"
    assert check.loss == Loss(1, 1, Decimal(20))
    assert check.fixes == (Fix("prometheus.yaml", "storage.tsdb.retention.time", "400d"),)
    assert (
        "1 of 4 sessions would be lost and 1 more would keep their totals but not the days before it (20.0000 USD)"
        in check.found
    )


def test_a_stock_prometheus_is_good_enough_for_what_is_fresh() -> None:
    """Only what these sessions would lose is a failure."""
    checks = verdicts(judge_prometheus(STOCK_PROMETHEUS, history(session(59 * MINUTE_NS, MINUTE_NS))))
    assert checks == {"prometheus": "failed", "prometheus window": "ok", "prometheus retention": "ok"}


def test_what_is_recommended_outlasts_the_oldest_session() -> None:
    """With a month to spare, and never less than the shipped configurations keep."""
    old = history(session(900 * DAY_NS))
    checks = checks_of(judge_prometheus(GOOD_PROMETHEUS, old))
    assert {fix.value for check in checks.values() for fix in check.fixes} == {"930d"}
    fixes = [fix for check in judge_tempo(STOCK_TEMPO, old) for fix in check.fixes]
    assert {fix.value for fix in fixes if fix.setting in (SLACK, WORKER, SCHEDULER)} == {f"{930 * 24}h"}


@pytest.mark.parametrize(
    ("otlp", "remote_write", "verdict"),
    [(True, False, "ok"), (False, True, "warning"), (False, False, "failed"), (None, None, "warning")],
)
def test_a_closed_receiver_is_said(otlp: bool | None, remote_write: bool | None, verdict: str) -> None:
    """Remote write is enough for a collector that writes so; unknown is not wrong."""
    facts = structs.replace(GOOD_PROMETHEUS, takes_otlp=otlp, takes_remote_write=remote_write)
    check = checks_of(judge_prometheus(facts, THREE_WEEKS))["prometheus"]
    assert check.verdict == verdict
    assert (check.fixes == ()) == (verdict == "ok")


@pytest.mark.parametrize(
    ("facts", "name", "verdict", "setting"),
    [
        ({"promotes_all": True}, "prometheus labels", "failed", "otlp.promote_all_resource_attributes"),
        ({"promoted": ("host.name",)}, "prometheus labels", "warning", "otlp.promote_resource_attributes"),
        ({"promotes_scope": True}, "prometheus scope", "failed", "otlp.promote_scope_metadata"),
        ({"naming": "NoTranslation"}, "prometheus names", "warning", "otlp.translation_strategy"),
        ({"size_limits": ("512MB",)}, "prometheus size", "warning", "storage.tsdb.retention.size"),
        ({"retention_ns": None}, "prometheus retention", "ok", None),
    ],
)
def test_what_doubles_or_hides_series_is_named(
    facts: dict[str, object], name: str, verdict: str, setting: str | None
) -> None:
    """With the line that does it."""
    check = checks_of(judge_prometheus(structs.replace(GOOD_PROMETHEUS, **facts), THREE_WEEKS))[name]
    assert check.verdict == verdict
    assert [fix.setting for fix in check.fixes] == ([setting] if setting else [])


def test_a_stock_tempo_finds_nothing_that_ended_before_it_arrived() -> None:
    """The undocumented slack of the live store decides, and the spans before it are lost call by call."""
    check = checks_of(judge_tempo(STOCK_TEMPO, THREE_WEEKS))["tempo search"]
    assert check.verdict == "failed"
    assert check.loss == Loss(3, 0, Decimal("21.25"))
    assert check.fixes == (Fix("tempo.yaml", SLACK, "9600h"),)


def test_a_stock_tempo_deletes_by_two_settings() -> None:
    """Both lines are named; of a session that goes on later only the earlier calls are lost."""
    check = checks_of(judge_tempo(STOCK_TEMPO, THREE_WEEKS))["tempo retention"]
    assert check.verdict == "failed"
    assert check.loss == Loss(1, 1, Decimal("20.5"))
    assert check.fixes == (Fix("tempo.yaml", WORKER, "9600h"), Fix("tempo.yaml", SCHEDULER, "9600h"))


def test_one_short_retention_is_enough_to_delete() -> None:
    """Only the line that is too short is to be changed."""
    facts = structs.replace(GOOD_TEMPO, retentions=(Knob(WORKER, YEAR_NS), Knob(SCHEDULER, 14 * DAY_NS)))
    check = checks_of(judge_tempo(facts, THREE_WEEKS))["tempo retention"]
    assert [fix.setting for fix in check.fixes] == [SCHEDULER]


def test_a_retention_of_zero_keeps_nothing() -> None:
    """It does not mean for ever."""
    check = checks_of(judge_tempo(structs.replace(GOOD_TEMPO, retentions=(Knob(WORKER, 0),)), THREE_WEEKS))
    assert check["tempo retention"].loss == Loss(4, 0, Decimal("21.375"))


def test_short_ranges_of_queries_are_a_warning() -> None:
    """Nothing is lost by them, but Grafana's range would be refused."""
    checks = checks_of(judge_tempo(STOCK_TEMPO, THREE_WEEKS))
    assert [
        (checks[f"tempo {kind} range"].verdict, checks[f"tempo {kind} range"].fixes) for kind in ("search", "metrics")
    ] == [
        ("warning", (Fix("tempo.yaml", "search.max_duration", "0s"),)),
        ("warning", (Fix("tempo.yaml", "metrics.max_duration", "9600h"),)),
    ]


def test_cut_attributes_and_a_missing_receiver_are_said() -> None:
    """The first is a warning, the second a failure."""
    checks = checks_of(judge_tempo(structs.replace(STOCK_TEMPO, http_port=None), THREE_WEEKS))
    assert (checks["tempo"].verdict, checks["tempo attributes"].verdict) == ("failed", "warning")
    assert checks["tempo attributes"].fixes == (Fix("tempo.yaml", "distributor.max_attribute_bytes", "16384"),)


@pytest.mark.parametrize(("limit", "is_named"), [(10_000, True), (25_000, False), (0, False), (None, False)])
def test_more_turns_than_tempo_takes_at_a_time_are_said(limit: int | None, is_named: bool) -> None:
    """They would be dropped after they were acknowledged; 0 is no limit."""
    many = structs.replace(session(DAY_NS), turns=12_500)
    checks = checks_of(judge_tempo(structs.replace(GOOD_TEMPO, max_live_traces=limit), history(many, many)))
    assert ("tempo live traces" in checks) == is_named
    if is_named:
        (fix,) = checks["tempo live traces"].fixes
        assert fix == Fix("tempo.yaml", "overrides.defaults.ingestion.max_traces_per_user", "200000")


def test_what_a_tempo_does_not_say_is_no_failure() -> None:
    """Versions to come may rename a key."""
    checks = verdicts(judge_tempo(TempoFacts("9.9", grpc_port=4317), THREE_WEEKS))
    assert checks == {"tempo": "ok", "tempo search": "warning", "tempo retention": "warning"}


def test_without_sessions_nothing_can_be_lost() -> None:
    """Receivers are still looked at."""
    assert set(verdicts(judge_tempo(STOCK_TEMPO, history())).values()) == {"ok", "warning"}
    assert verdicts(judge_prometheus(STOCK_PROMETHEUS, history())) == {
        "prometheus": "failed",
        "prometheus window": "ok",
        "prometheus retention": "ok",
    }


ages = st.lists(st.integers(0, 1000 * DAY_NS), min_size=1, max_size=4).map(lambda each: sorted(each, reverse=True))


@given(st.lists(ages, max_size=6), st.integers(0, 1000 * DAY_NS))
def test_losses_are_those_of_the_calls_before_the_cut(sessions: list[list[int]], keep_ns: int) -> None:
    """Spans: every older call. Series: the calls of sessions that have no younger moment. Nobody is counted twice."""
    past = history(*(session(*each) for each in sessions))
    series, spans = past.series_loss(keep_ns), past.span_loss(keep_ns)
    assert spans.cost_usd == sum(age > keep_ns for each in sessions for age in each)
    assert series.cost_usd == sum(len(each) for each in sessions if each[-1] > keep_ns)
    assert (series.sessions, series.shortened_sessions) == (spans.sessions, spans.shortened_sessions)
    assert series.sessions + series.shortened_sessions == sum(each[0] > keep_ns for each in sessions)
