"""What the series of a recorded session read in the end, by who tells of it: its transcript, its telemetry or both.

The transcript's calls are the base. What another view has differently has one of four names, each a rule: the model
that was asked for and priced where another one answered, the final output count of a line written before the answer
was complete, the calls that no transcript records, and what the client's own total has beyond the calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from enum import StrEnum

from otel_bridge import semconv
from otel_bridge.model import Session
from otel_bridge.reported import AUXILIARY
from otel_bridge.telemetry import Metric
from tests.captures import RUNS, Request
from tests.client_habits import Entry, final_output, model_asked_for
from tests.waterfall import Row, as_client, entry_row, exact, joined, request_row, version

MAIN, SUBAGENT, UNRECORDED = "main", "subagent", "unrecorded"
COMPARABLE = [run for run in RUNS if version(run) in {"2.1.181", "2.1.329"}]
"""Runs whose three views tell the same, but for what has a name."""

LABELS = (semconv.CALL_SOURCE, semconv.REQUEST_MODEL, semconv.RESPONSE_MODEL)
METRICS = (
    semconv.COST,
    semconv.PRICE_DIFFERENCE,
    semconv.USAGE_INPUT,
    semconv.USAGE_OUTPUT,
    semconv.USAGE_CACHE_READ,
    semconv.USAGE_CACHE_WRITE,
    semconv.USAGE_UNCACHED,
)
Key = tuple[str, str, str, str]
"""Metric, source of the call, model asked for, model that answered; empty where a series has no such label."""

Series = dict[Key, Decimal]


class View(StrEnum):
    """Who tells of a session."""

    TRANSCRIPT = "transcript"
    TELEMETRY = "telemetry"
    BOTH = "both"


class Named(StrEnum):
    """Why a series of one view is not that of another."""

    MODEL_ASKED_FOR = "model asked for"
    FINAL_OUTPUT = "final output"
    UNRECORDED_CALLS = "calls no transcript records"
    CLIENTS_TOTAL = "the client's own total"


def key(metric: Metric, labels: Mapping[str, object]) -> Key:
    """Return the key of a series by its metric and attributes."""
    source, asked, answered = (str(labels.get(label, "")) for label in LABELS)
    return metric.name, source, asked, answered


def expected_series(run: str, session: Session, view: View) -> Series:
    """Return what the series of a session read in the end, those that read 0 left out; without the session's id."""
    entries, unseen = joined(run, session)
    sums: Counter[Key] = Counter()
    usd = Decimal(0)
    for source, asked, answered, row in (*_recorded(run, entries, view), *_unrecorded(unseen, view)):
        usd += row.usd
        for series, amount in _amounts(source, asked, answered, row):
            sums[series] += amount
    if session.client_cost_usd is not None and view is not View.TELEMETRY:
        left = session.client_cost_usd - usd
        sums[key(semconv.COST, {semconv.CALL_SOURCE: UNRECORDED})] += max(left, Decimal(0))
        sums[key(semconv.PRICE_DIFFERENCE, {})] += min(left, Decimal(0))
    return {series: exact(amount) for series, amount in sums.items() if amount}


def named_differences(run: str, session: Session) -> set[Named]:
    """Return what the views of a session differ by."""
    entries, unseen = joined(run, session)
    found = {Named.UNRECORDED_CALLS} if unseen else set()
    if any(final_output(entry) != entry for entry in entries):
        found.add(Named.FINAL_OUTPUT)
    if any(as_client(run, entry).label != entry.call.model for entry in entries):
        found.add(Named.MODEL_ASKED_FOR)
    if session.unrecorded_cost_usd:
        found.add(Named.CLIENTS_TOTAL)
    return found


def _recorded(run: str, entries: Iterable[Entry], view: View) -> Iterator[tuple[str, str, str, Row]]:
    """Yield what a view says of the calls that a transcript records: source, both models, cost and tokens."""
    for entry in entries:
        source = MAIN if entry.agent is None else SUBAGENT
        told = _TOLD[view](run, entry)
        asked = model_asked_for(entry).label if view is View.TRANSCRIPT else as_client(run, entry).label
        yield source, asked, entry.call.model, entry_row(told)


_TOLD: dict[View, Callable[[str, Entry], Entry]] = {
    View.TRANSCRIPT: lambda _, entry: entry,
    View.TELEMETRY: as_client,
    View.BOTH: lambda _, entry: final_output(entry),
}


def _unrecorded(unseen: Iterable[Request], view: View) -> Iterator[tuple[str, str, str, Row]]:
    for request in unseen if view is not View.TRANSCRIPT else ():
        yield AUXILIARY, request.model, request.model, request_row(request)


def _amounts(source: str, asked: str, answered: str, row: Row) -> Iterator[tuple[Key, Decimal]]:
    models = {semconv.REQUEST_MODEL: asked, semconv.RESPONSE_MODEL: answered}
    yield key(semconv.COST, {**models, semconv.CALL_SOURCE: source}), row.usd
    for metric, tokens in (
        (semconv.USAGE_INPUT, row.input + row.read + row.write),
        (semconv.USAGE_OUTPUT, row.output),
        (semconv.USAGE_CACHE_READ, row.read),
        (semconv.USAGE_CACHE_WRITE, row.write),
        (semconv.USAGE_UNCACHED, row.input),
    ):
        yield key(metric, models), Decimal(tokens)
