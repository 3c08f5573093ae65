"""Sessions as a plain list of amounts: the points that Prometheus gets are made of it, and so is what is true."""

from __future__ import annotations

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from otel_bridge import semconv
from otel_bridge.telemetry import DataPoint, Distribution, Instrument, Metric

MODELS = ("claude-opus", "claude-sonnet", "claude-haiku")
TOOLS = ("Bash", "Read", "mcp__issues__list")
USERS = ("ann", "jo")
HOST_TYPES = ("local", "ci", "cluster")
REPOSITORIES = ("https://example.com/o/one", "https://example.com/o/two.go", None)
SCALE = 3
HOUR_MS = 3_600_000

Labels = tuple[tuple[str, str], ...]


class Who(NamedTuple):
    """What is known of a session."""

    user: str
    host_type: str
    repository: str | None


class Entry(NamedTuple):
    """One amount that a session added to a series: money, tokens, or one duration."""

    at_ms: int
    session: str
    metric: Metric
    labels: Labels
    amount: float

    def has(self, attribute: str) -> str:
        """Return the value of an attribute, empty where there is none."""
        return dict(self.labels).get(attribute, "")


class Ledger(NamedTuple):
    """All that happened."""

    entries: list[Entry]
    sessions: dict[str, Who]
    began_ms: dict[str, int]


def made(seed: int, until_ms: int, days: int, sessions: int) -> Ledger:
    """Return sessions over days: some resumed after a week, some linked to a pull request half way through."""
    chance = random.Random(seed)
    ledger = Ledger([], {}, {})
    for number in range(sessions):
        name = f"session-{number}"
        at_ms = until_ms - chance.randrange(days * 24 * HOUR_MS)
        ledger.sessions[name] = Who(*(chance.choice(of) for of in (USERS, HOST_TYPES, REPOSITORIES)))
        ledger.began_ms[name] = at_ms
        ledger.entries.extend(entry for entry in happened(chance, name, at_ms) if entry.at_ms <= until_ms)
    return ledger


def happened(chance: random.Random, name: str, at_ms: int) -> Iterator[Entry]:
    """Yield what a session did, in time order."""
    change: Labels = ()
    moved = 0.0
    linked_at = chance.choice([None, 0, 2, 4])
    for turn in range(chance.randrange(1, 9)):
        at_ms += chance.randrange(1_000, 2 * HOUR_MS) + (9 * 24 * HOUR_MS if chance.random() < 0.08 else 0)
        if turn == linked_at:
            number = str(chance.randrange(1, 9))
            change = ((semconv.CHANGE_ID, number), (semconv.REPOSITORY_URL, chance.choice(REPOSITORIES[:2]) or ""))
            if moved:
                yield Entry(at_ms, name, semconv.CHANGE_COST, (), -moved)
                yield Entry(at_ms, name, semconv.CHANGE_COST, change, moved)
        for entry in called(chance, name, at_ms):
            yield entry
            if entry.metric is semconv.COST:
                moved += entry.amount if not change else 0
                yield Entry(at_ms, name, semconv.CHANGE_COST, change, entry.amount)


def called(chance: random.Random, name: str, at_ms: int) -> Iterator[Entry]:
    """Yield one model call and the tool call it asked for; amounts are sums of powers of two, so sums are exact."""
    model = chance.choice(MODELS)
    by_model: Labels = ((semconv.REQUEST_MODEL, model), (semconv.RESPONSE_MODEL, model))
    source = chance.choice(("main", "subagent", "auxiliary"))
    whole = chance.randrange(1000, 90_000)
    read = chance.randrange(whole) if model != "claude-haiku" else 0
    yield Entry(at_ms, name, semconv.COST, (*by_model, (semconv.CALL_SOURCE, source)), chance.randrange(1, 4096) / 1024)
    yield Entry(at_ms, name, semconv.USAGE_INPUT, by_model, whole)
    yield Entry(at_ms, name, semconv.USAGE_OUTPUT, by_model, chance.randrange(1, 4000))
    if read:
        yield Entry(at_ms, name, semconv.USAGE_CACHE_READ, by_model, read)
    written = chance.randrange(whole - read)
    yield Entry(at_ms, name, semconv.USAGE_CACHE_WRITE, by_model, written)
    yield Entry(at_ms, name, semconv.USAGE_UNCACHED, by_model, whole - read - written)
    yield Entry(at_ms, name, semconv.INFERENCE_DURATION, by_model, chance.lognormvariate(1, 1))
    tool: Labels = ((semconv.TOOL_NAME, chance.choice(TOOLS)),)
    failed: Labels = ((semconv.ERROR_TYPE, "timeout"),) if chance.random() < 0.2 else ()
    yield Entry(at_ms + 500, name, semconv.TOOL_DURATION, tool + failed, chance.lognormvariate(0, 1.5))


def points(ledger: Ledger) -> list[DataPoint]:
    """Return the cumulative series of the entries, each with a zero before its first change, and session.info.

    Of every fourth session something else was thought for its first 900 ms.
    """
    series: dict[tuple[str, str, Labels], list[Entry]] = defaultdict(list)
    for entry in ledger.entries:
        series[entry.session, entry.metric.name, entry.labels].append(entry)
    found = [point for entries in series.values() for point in _cumulative(sorted(entries, key=lambda e: e.at_ms))]
    for number, (name, who) in enumerate(ledger.sessions.items()):
        began_ms = ledger.began_ms[name]
        if number % 4 == 0:
            mistaken = _facts(who._replace(user="nobody", repository="https://example.com/o/mistaken"))
            found += [_point(semconv.SESSION_INFO, name, mistaken, began_ms + ms, ms == 0) for ms in (0, 900)]
        found.append(_point(semconv.SESSION_INFO, name, _facts(who), began_ms + 900 * (number % 4 == 0), 1))
    return found


def _facts(who: Who) -> dict[str, str]:
    """Return what session.info says of a session."""
    facts = {semconv.USER_NAME: who.user, semconv.HOST_TYPE: who.host_type, semconv.REPOSITORY_URL: who.repository}
    return {name: value for name, value in facts.items() if value}


def _cumulative(entries: Sequence[Entry]) -> Iterator[DataPoint]:
    first = entries[0]
    amounts: list[float] = []
    yield _point(first.metric, first.session, dict(first.labels), first.at_ms - 1, _value(first.metric, amounts))
    for place, entry in enumerate(entries):
        amounts.append(entry.amount)
        if place + 1 == len(entries) or entries[place + 1].at_ms > entry.at_ms:
            yield _point(entry.metric, entry.session, dict(entry.labels), entry.at_ms, _value(entry.metric, amounts))


def _value(metric: Metric, amounts: Sequence[float]) -> float | Distribution:
    if metric.instrument is not Instrument.HISTOGRAM:
        return float(sum(amounts))
    counts = Counter(math.ceil(math.log2(amount) * 2**SCALE) - 1 for amount in amounts)
    lowest, highest = (min(counts), max(counts)) if counts else (0, -1)
    buckets = tuple(counts[index] for index in range(lowest, highest + 1))
    return Distribution(len(amounts), sum(amounts), SCALE, offset=lowest, buckets=buckets)


def _point(metric: Metric, session: str, labels: dict[str, str], at_ms: int, value: float | Distribution) -> DataPoint:
    at_ns = at_ms * 1_000_000
    return DataPoint(metric, {semconv.SESSION_ID: session, **labels}, at_ns, at_ns, value)
