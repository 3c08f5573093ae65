"""Whether a Tempo as it is configured keeps and finds old traces (pure; docs/backfill.md)."""

from __future__ import annotations

from collections.abc import Sequence

from otel_bridge.backends.durations import DAY_NS, duration_text, hours_text
from otel_bridge.backends.tempo import Knob, TempoFacts
from otel_bridge.pipeline.checks import FAILED, OK, WARNING, Check, Fix
from otel_bridge.pipeline.preflight.spending import History
from otel_bridge.pipeline.preflight.words import has_loss, told, wanted_ns

_FILE = "tempo.yaml"
_LONG_ATTRIBUTE_BYTES = 16384
"""What ``--content`` may send in one attribute: several texts of ``--content-bytes`` each."""

_MANY_TRACES = 200_000


def judge_tempo(facts: TempoFacts, history: History) -> list[Check]:
    """Return what would become of these sessions' traces, with the lines to change."""
    age_ns = history.age_ns
    search_range = _range("tempo search range", facts.search_range, age_ns, "0s")
    metrics_range = _range("tempo metrics range", facts.metrics_range, age_ns, hours_text(wanted_ns(age_ns)))
    return [
        _receiver(facts),
        _search(facts.slacks, history),
        _retention(facts.retentions, history),
        *(
            check
            for check in (search_range, metrics_range, _live(facts, history), _attributes(facts))
            if check is not None
        ),
    ]


def _receiver(facts: TempoFacts) -> Check:
    protocols = (("HTTP", facts.http_port), ("gRPC", facts.grpc_port))
    ports = " and ".join(f"{protocol} on port {port}" for protocol, port in protocols if port is not None)
    if ports:
        return Check("tempo", OK, f"Tempo {facts.version} takes OTLP over {ports}")
    fix = Fix(_FILE, "distributor.receivers.otlp.protocols.http.endpoint", "0.0.0.0:4318")
    return Check("tempo", FAILED, f"Tempo {facts.version} has no OTLP receiver", fixes=(fix,))


def _search(slacks: Sequence[Knob], history: History) -> Check:
    name = "tempo search"
    if not slacks:
        return Check(name, WARNING, "the configuration does not say whether traces of the past can be searched")
    shortest_ns = min(knob.span_ns for knob in slacks)
    found = f"only traces that arrive within {duration_text(shortest_ns)} of their end can be searched"
    return _judged(name, f"{found}, others only opened by id", slacks, history, gone="would not be found")


def _retention(retentions: Sequence[Knob], history: History) -> Check:
    name = "tempo retention"
    if not retentions:
        return Check(name, WARNING, "the configuration does not say when traces are deleted")
    shortest_ns = min(knob.span_ns for knob in retentions)
    found = f"traces are deleted when {duration_text(shortest_ns)} old"
    if not shortest_ns:
        found = "traces are deleted at once: a retention of 0 does not mean for ever"
    return _judged(name, found, retentions, history, gone="would be lost")


def _judged(name: str, found: str, knobs: Sequence[Knob], history: History, *, gone: str) -> Check:
    """Fail the check if one of the times is too short for one of the sessions; name each that is."""
    losses = [history.span_loss(knob.span_ns) for knob in knobs]
    short = [knob for knob, loss in zip(knobs, losses, strict=True) if has_loss(loss)]
    if not short:
        return Check(name, OK, found)
    worst = max(losses, key=lambda loss: (loss.sessions, loss.shortened_sessions, loss.cost_usd))
    fixes = tuple(Fix(_FILE, knob.path, hours_text(wanted_ns(history.age_ns))) for knob in short)
    words = told(worst, len(history.sessions), gone=gone, cut="lose their earlier part")
    return Check(name, FAILED, f"{found}: {words}", fixes=fixes, loss=worst)


def _range(name: str, knob: Knob | None, age_ns: int, value: str) -> Check | None:
    """Judge how long a range queries may ask for: nothing is lost, but longer ones are answered with an error."""
    if knob is None:
        return None
    if knob.span_ns == 0 or knob.span_ns >= age_ns:
        return Check(name, OK, f"queries may span {duration_text(knob.span_ns) if knob.span_ns else 'any time'}")
    age = duration_text(age_ns // DAY_NS * DAY_NS or age_ns)
    found = f"queries may span {duration_text(knob.span_ns)} at most, and the oldest session is {age} old"
    return Check(
        name, WARNING, f"{found}: longer ones are answered with an error", fixes=(Fix(_FILE, knob.path, value),)
    )


def _live(facts: TempoFacts, history: History) -> Check | None:
    """Judge how many turns may arrive at a time: an import sends thousands before Tempo puts the first one away."""
    if not facts.max_live_traces or facts.max_live_traces >= history.turns:
        return None
    found = (
        f"beyond {facts.max_live_traces:,} traces at a time new ones are dropped after they were acknowledged:"
        f" these sessions have {history.turns:,} turns"
    )
    fix = Fix(_FILE, "overrides.defaults.ingestion.max_traces_per_user", str(max(_MANY_TRACES, 2 * history.turns)))
    return Check("tempo live traces", WARNING, found, fixes=(fix,))


def _attributes(facts: TempoFacts) -> Check | None:
    if facts.max_attribute_bytes is None or facts.max_attribute_bytes >= _LONG_ATTRIBUTE_BYTES:
        return None
    found = f"attributes longer than {facts.max_attribute_bytes:,} bytes are cut: it matters only with --content"
    fix = Fix(_FILE, "distributor.max_attribute_bytes", str(_LONG_ATTRIBUTE_BYTES))
    return Check("tempo attributes", WARNING, found, fixes=(fix,))
