"""The client's own counters as changes of series; one authority per number (pure).

What is also derived from calls (cost, tokens, lines, commits) comes from the calls: of transcripts, else of the
client's events. The counters say it only of a session that has neither, and are else compared. What nothing else can
tell (time at the keyboard, starts, decisions on edits) is theirs alone, under names of its own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import accumulate
from typing import NamedTuple

from otel_bridge import counters as names
from otel_bridge import semconv
from otel_bridge.convert.attributes import Attributes, add_facts
from otel_bridge.convert.chat import PROVIDER
from otel_bridge.convert.metrics.facts import AGENT, USER, Amount, Fact
from otel_bridge.counters import ClientCounters, Counter
from otel_bridge.model import Session
from otel_bridge.telemetry import Metric

COUNTER_DOUBT = "counter_doubt"

_NS_PER_S = 1_000_000_000
_CREATED = "created"
_ACTIVITIES = {"cli": AGENT, "user": USER}
_TOKENS = {
    "input": (semconv.USAGE_INPUT, semconv.USAGE_UNCACHED),
    "cacheRead": (semconv.USAGE_INPUT, semconv.USAGE_CACHE_READ),
    "cacheCreation": (semconv.USAGE_INPUT, semconv.USAGE_CACHE_WRITE),
    "output": (semconv.USAGE_OUTPUT,),
}
"""The client's kinds of tokens, and what of ours each is part of."""


class Compared(NamedTuple):
    """A number that both the calls and the client's counters tell."""

    name: str
    """Of our metric; of the event, for pull requests."""
    kind: str
    """Which part of it, empty for all."""
    counter: str
    type: str
    """The counter's attribute ``type``, empty where it has none."""


COMPARED = (
    Compared(semconv.COST.name, "", names.COST, ""),
    Compared(semconv.USAGE_UNCACHED.name, "", names.TOKENS, "input"),
    Compared(semconv.USAGE_OUTPUT.name, "", names.TOKENS, "output"),
    Compared(semconv.USAGE_CACHE_READ.name, "", names.TOKENS, "cacheRead"),
    Compared(semconv.USAGE_CACHE_WRITE.name, "", names.TOKENS, "cacheCreation"),
    Compared(semconv.LINES.name, "added", names.LINES, "added"),
    Compared(semconv.LINES.name, "removed", names.LINES, "removed"),
    Compared(semconv.COMMITS.name, "", names.COMMITS, ""),
    Compared(semconv.PULL_REQUEST.name, "", names.PULL_REQUESTS, ""),
)
"""Cost with what is ``unrecorded``: that is the client's own total too."""


class Difference(NamedTuple):
    """A number that the calls and the client's counters tell differently."""

    name: str
    kind: str
    ours: Amount
    theirs: Amount


def counters_are_authority(session: Session | None) -> bool:
    """Tell whether the counters are all there is: neither a transcript nor events have a turn of the session."""
    return session is None or not session.turns


def differences(session: Session, facts: Iterable[Fact], counters: ClientCounters) -> list[Difference]:
    """Return what the session's facts and the counters tell differently in the end, in the order of ``COMPARED``."""
    ours = _ours(session, facts)
    found = []
    for compared in COMPARED:
        own = sum((amount for _, amount in ours[compared.name, compared.kind]), Decimal(0))
        theirs = sum((counter.total for counter in _theirs(counters, compared)), Decimal(0))
        if own != theirs:
            found.append(Difference(compared.name, compared.kind, own, theirs))
    return found


def difference_facts(session: Session, facts: Iterable[Fact], counters: ClientCounters) -> Iterator[Fact]:
    """Yield the differences as they were at each time the client reported, 0 where there is none.

    At other times the client is behind: it reports once a minute.
    """
    ours = _ours(session, facts)
    times = counters.report_times()
    for compared in COMPARED:
        attributes: Attributes = {semconv.COMPARED_METRIC: compared.name}
        add_facts(attributes, {semconv.COMPARED_KIND: compared.kind})
        less = ((at_ns, -step) for counter in _theirs(counters, compared) for at_ns, step in counter.steps())
        values = _values_at(times, [*ours[compared.name, compared.kind], *less])
        before: Amount | None = None
        for at_ns, value in zip(times, values, strict=True):
            if value != before:
                yield Fact(at_ns, semconv.NATIVE_DIFFERENCE, attributes, value - (before or 0))
            before = value


def client_facts(counters: ClientCounters) -> Iterator[Fact]:
    """Yield what only the client can tell, and where its counters are in doubt."""
    for counter in counters.named(names.SESSIONS):
        yield from _facts(counter, semconv.NATIVE_STARTS, {semconv.START_TYPE: counter.label("start_type")})
    for counter in counters.named(names.ACTIVE_TIME):
        activity = _ACTIVITIES.get(counter.label("type") or "")
        yield from _facts(counter, semconv.NATIVE_ACTIVE_TIME, {semconv.ACTIVITY: activity})
    for counter in counters.named(names.EDIT_DECISIONS):
        decision = {
            semconv.TOOL_NAME: counter.label("tool_name"),
            semconv.PERMISSION_DECISION: counter.label("decision"),
            semconv.PERMISSION_SOURCE: counter.label("source"),
        }
        yield from _facts(counter, semconv.NATIVE_EDIT_DECISIONS, decision)
    for at_ns in counters.doubts:
        yield Fact(at_ns, semconv.PROBLEMS, {semconv.PROBLEM_KIND: COUNTER_DOUBT}, 1)


def counted_facts(counters: ClientCounters, agent: str, known: Attributes) -> Iterator[Fact]:
    """Yield what the counters say of a session that nothing else is known of: cost, tokens, lines, commits, who."""
    if counters.counters:
        yield Fact(counters.first_ns, semconv.SESSION_INFO, {semconv.AGENT_NAME: agent, **known}, 1)
    for counter in counters.named(names.COST):
        yield from _facts(
            counter, semconv.COST, {**_models(counter), semconv.CALL_SOURCE: counter.label("query_source")}
        )
    for counter in counters.named(names.TOKENS):
        inference = {semconv.OPERATION_NAME: semconv.OP_CHAT, semconv.PROVIDER_NAME: PROVIDER, **_models(counter)}
        for metric in _TOKENS.get(counter.label("type") or "", ()):
            yield from _facts(counter, metric, {**inference, semconv.TOKEN_MODALITY: "unknown"})
    for counter in counters.named(names.LINES):
        yield from _facts(counter, semconv.LINES, {semconv.LINE_CHANGE_TYPE: counter.label("type")})
    for counter in counters.named(names.COMMITS):
        yield from _facts(counter, semconv.COMMITS, {})


def _facts(counter: Counter, metric: Metric, told: dict[str, str | None]) -> Iterator[Fact]:
    attributes: Attributes = {}
    add_facts(attributes, told)
    for at_ns, step in counter.steps():
        yield Fact(at_ns, metric, attributes, int(step * _NS_PER_S) if metric.unit == "s" else step)


def _models(counter: Counter) -> dict[str, str | None]:
    """Return the model as both: the counters do not tell the one that answered from the one asked for."""
    return dict.fromkeys((semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL), counter.label("model"))


_Steps = list[tuple[int, Amount]]


def _ours(session: Session, facts: Iterable[Fact]) -> defaultdict[tuple[str, str], _Steps]:
    """Return when each number of ours grew and by how much."""
    steps: defaultdict[tuple[str, str], _Steps] = defaultdict(list)
    for fact in facts:
        kind = str(fact.attributes.get(semconv.LINE_CHANGE_TYPE, ""))
        steps[fact.metric.name, kind].append((fact.at_ns or session.started_ns, fact.amount))
    created: dict[str, int] = {}
    for link in session.pull_requests:
        if link.action == _CREATED:
            url = link.pull_request.url
            created[url] = min(link.at_ns, created.get(url, link.at_ns))
    steps[semconv.PULL_REQUEST.name, ""] = [(at_ns, 1) for at_ns in created.values()]
    return steps


def _theirs(counters: ClientCounters, compared: Compared) -> Iterator[Counter]:
    for counter in counters.named(compared.counter):
        if compared.type in ("", counter.label("type")):
            yield counter


def _values_at(times: Sequence[int], steps: _Steps) -> list[Amount]:
    """Return what steps in any order had come to at each of the times, which are in order."""
    by_time: defaultdict[int, Amount] = defaultdict(int)
    for at_ns, amount in steps:
        by_time[at_ns] += amount
    for at_ns in times:
        by_time[at_ns] += 0
    in_order = sorted(by_time)
    reached = dict(zip(in_order, accumulate(by_time[at_ns] for at_ns in in_order), strict=True))
    return [reached[at_ns] for at_ns in times]
