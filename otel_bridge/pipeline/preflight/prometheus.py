"""Whether a Prometheus as it is configured keeps what sessions of the past would bring (pure; docs/backfill.md)."""

from __future__ import annotations

from otel_bridge.backends.durations import HOUR_NS, days_text, duration_text
from otel_bridge.backends.prometheus import DEFAULT_NAMING, PrometheusFacts
from otel_bridge.pipeline.checks import FAILED, OK, WARNING, Check, Fix
from otel_bridge.pipeline.preflight.spending import History
from otel_bridge.pipeline.preflight.words import has_loss, told, wanted_ns

_IN_ORDER_NS = HOUR_NS
"""Without a window a new series may begin this far behind the newest point: half of the head block's two hours."""
_CUT = "would keep their totals but not the days before it"


def judge_prometheus(facts: PrometheusFacts, history: History) -> list[Check]:
    """Return what would become of these sessions' series, with the lines to change."""
    return [_receiver(facts), _window(facts, history), *_retention(facts, history), *_labels(facts)]


def _receiver(facts: PrometheusFacts) -> Check:
    name, known = "prometheus", f"Prometheus {facts.version}"
    if facts.takes_otlp:
        return Check(name, OK, f"{known} takes OTLP")
    fix = (Fix("its command line", "--web.enable-otlp-receiver"),)
    if facts.takes_otlp is None:
        return Check(name, WARNING, f"{known} does not say whether it takes OTLP", fixes=fix)
    if facts.takes_remote_write:
        found = f"{known} takes remote write but no OTLP: only a collector that writes so can bring metrics"
        return Check(name, WARNING, found, fixes=fix)
    return Check(name, FAILED, f"{known} takes no metrics from anybody: its OTLP receiver is off", fixes=fix)


def _window(facts: PrometheusFacts, history: History) -> Check:
    name, window_ns = "prometheus window", facts.window_ns or 0
    loss = history.series_loss(max(window_ns, _IN_ORDER_NS))
    found = (
        f"points up to {duration_text(window_ns)} old are taken"
        if window_ns > _IN_ORDER_NS
        else f"points older than {duration_text(_IN_ORDER_NS)} are refused (no out-of-order window)"
    )
    if not has_loss(loss):
        return Check(name, OK, found)
    value = days_text(wanted_ns(history.age_ns))
    fix = Fix(facts.config_file, "storage.tsdb.out_of_order_time_window", value)
    return Check(name, FAILED, f"{found}: {told(loss, len(history.sessions), cut=_CUT)}", fixes=(fix,), loss=loss)


def _retention(facts: PrometheusFacts, history: History) -> list[Check]:
    name = "prometheus retention"
    checks = []
    if facts.retention_ns is None:
        checks.append(Check(name, OK, "points are not deleted for their age"))
    else:
        found = f"points are deleted when {duration_text(facts.retention_ns)} old"
        loss = history.series_loss(facts.retention_ns)
        if has_loss(loss):
            value = days_text(wanted_ns(history.age_ns))
            fix = Fix(facts.config_file, "storage.tsdb.retention.time", value)
            found = f"{found}: {told(loss, len(history.sessions), cut=_CUT)}"
            checks.append(Check(name, FAILED, found, fixes=(fix,), loss=loss))
        else:
            checks.append(Check(name, OK, found))
    if facts.size_limits:
        found = f"beyond {' or '.join(facts.size_limits)} the oldest points go first, whatever their age"
        fix = Fix(facts.config_file, "storage.tsdb.retention.size", "more than the history will take, or remove it")
        checks.append(Check("prometheus size", WARNING, found, fixes=(fix,)))
    return checks


def _labels(facts: PrometheusFacts) -> list[Check]:
    """Judge what turns one session into several series. The bridge sends a resource of ``service.name`` alone."""
    checks = []
    if facts.promotes_all:
        found = "all resource attributes become labels: a session seen by two hosts or pods would count twice"
        fix = Fix(facts.config_file, "otlp.promote_all_resource_attributes", "false")
        checks.append(Check("prometheus labels", FAILED, found, fixes=(fix,)))
    elif facts.promoted:
        found = (
            f"resource attributes become labels ({', '.join(facts.promoted)}): where a collector sets one of them on"
            " session metrics, a session counts twice as soon as it changes"
        )
        advice = "promote none, or see that no collector adds them to metrics of otel-bridge"
        fix = Fix(facts.config_file, "otlp.promote_resource_attributes", "[]")
        checks.append(Check("prometheus labels", WARNING, found, advice, fixes=(fix,)))
    if facts.promotes_scope:
        found = "the version of otel-bridge becomes a label: after an upgrade every session sent again counts twice"
        fix = Fix(facts.config_file, "otlp.promote_scope_metadata", "false")
        checks.append(Check("prometheus scope", FAILED, found, fixes=(fix,)))
    if facts.naming != DEFAULT_NAMING:
        found = f"metrics are named by {facts.naming}: the shipped dashboards and alerts ask for other names"
        fix = Fix(facts.config_file, "otlp.translation_strategy", DEFAULT_NAMING)
        checks.append(Check("prometheus names", WARNING, found, fixes=(fix,)))
    return checks
