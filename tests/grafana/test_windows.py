"""Panels are exact over any time range and any choice of sessions, asked of a real Prometheus."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import pytest

from otel_bridge import semconv
from otel_bridge.prometheus_names import label
from otel_bridge.sinks.open import open_otlp_sink
from otel_bridge.sinks.otlp.config import otlp_config
from otel_bridge.telemetry import Batch, Metric, Resource, Signal
from tests.grafana import ledger as made_up
from tests.grafana.ledger import Entry, Ledger
from tests.stack.built import built
from tools.dashboards.queries import Query, Shown, queries
from tools.stack.configured import Ports, local, prometheus
from tools.stack.stores import Prometheus

pytestmark = pytest.mark.slow

Amounts = dict[tuple[str, ...], float]

DAY_S = 86_400
DAYS = 30
UNTIL_S = int(time.time()) - 600


class View(NamedTuple):
    """What a viewer chose, and what of the ledger that is."""

    ledger: Ledger
    store: Prometheus
    shown: Shown

    def asked(self, dashboard: str, panel: str, ref: str, *attributes: str) -> Amounts:
        """Return what a panel's query finds, by attributes; over days it is added up."""
        (query,) = (q for q in queries(self.shown) if (q.dashboard, q.panel, q.ref) == (dashboard, panel, ref))
        found: Amounts = {}
        for labels, values in self._answer(query):
            key = tuple(labels.get(label(name), "") for name in attributes)
            found[key] = found.get(key, 0) + sum(map(float, values))
        return {key: value for key, value in found.items() if value}

    def _answer(self, query: Query) -> list[tuple[dict[str, str], list[str]]]:
        if query.step_s is None:
            return [(labels, [value]) for labels, value in self.store.query(query.text, query.end_s)]
        found = self.store.query_range(query.text, query.start_s, query.end_s, query.step_s)
        return [(labels, [value for _, value in points]) for labels, points in found]

    def true(self, metric: Metric, *attributes: str, by_day: bool = False, count: bool = False) -> Amounts:
        """Return what the ledger has, by attributes; ``by_day`` widens the range to whole days."""
        start_s, end_s = self.shown.start_s, self.shown.end_s
        if by_day:
            start_s, end_s = start_s // DAY_S * DAY_S, end_s // DAY_S * DAY_S + DAY_S
        added: Amounts = {}
        for entry in self.ledger.entries:
            if entry.metric is metric and start_s * 1000 < entry.at_ms <= end_s * 1000 and self._chosen(entry, end_s):
                key = tuple(entry.session if name == semconv.SESSION_ID else entry.has(name) for name in attributes)
                added[key] = added.get(key, 0) + (1 if count else entry.amount)
        return {key: value for key, value in added.items() if value}

    def _chosen(self, entry: Entry, end_s: int) -> bool:
        who = self.ledger.sessions[entry.session]
        facts = {"user": who.user, "host_type": who.host_type, "repository": who.repository or ""}
        choices = self.shown.variables
        if any(facts[name] not in choices[name] for name in facts if name in choices):
            return False
        models = choices.get("model")
        if models is None:
            return True
        if semconv.RESPONSE_MODEL in entry.metric.attributes:
            return entry.has(semconv.RESPONSE_MODEL) in models
        return any(
            each.session == entry.session and each.at_ms <= end_s * 1000 and each.has(semconv.RESPONSE_MODEL) in models
            for each in self.ledger.entries
        )


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Ledger, Prometheus]]:
    """Start Prometheus as shipped and send the ledger twice."""
    built("prometheus")
    ports = Ports.free()
    server = prometheus(tmp_path_factory.mktemp("prometheus"), ports)
    server.start()
    address = f"http://{local(ports.prometheus)}"
    ledger = made_up.made(seed=4, until_ms=UNTIL_S * 1000, days=DAYS, sessions=150)
    for _ in range(2):
        config = otlp_config({}, Signal.METRICS, endpoint=f"{address}/api/v1/otlp")
        sink = open_otlp_sink([config], scope=semconv.SCOPE)
        sink.send(Batch(Signal.METRICS, Resource(((semconv.SERVICE_NAME, "claude-code"),)), made_up.points(ledger)))
        assert sink.close().is_complete
    yield ledger, Prometheus(address)
    server.kill()


def views() -> list[Shown]:
    """Return time ranges from an hour to two weeks, each with a choice of some values of some variables."""
    chance = random.Random(11)
    repositories = [each for each in made_up.REPOSITORIES if each]
    values: dict[str, Sequence[str]] = {
        "user": made_up.USERS,
        "host_type": made_up.HOST_TYPES,
        "repository": repositories,
        "model": made_up.MODELS,
    }
    found = [Shown(UNTIL_S - DAYS * DAY_S, UNTIL_S)]
    for _ in range(11):
        end_s = UNTIL_S - chance.randrange(DAYS // 2 * DAY_S)
        chosen = {
            name: chance.sample(of, chance.choice([1, 2])) for name, of in values.items() if chance.random() < 0.5
        }
        found.append(Shown(end_s - chance.randrange(3600, 14 * DAY_S), end_s, chosen))
    return found


VIEWS = views()


@pytest.fixture(params=range(len(VIEWS)))
def view(loaded: tuple[Ledger, Prometheus], request: pytest.FixtureRequest) -> View:
    return View(*loaded, VIEWS[request.param])


def exactly(expected: Amounts) -> object:
    """Compare to nine digits: sums and differences of floating-point numbers leave a speck."""
    return pytest.approx(expected, rel=1e-9, abs=1e-9)


COST = "otel-bridge-cost-per-pr"
TOKENS = "otel-bridge-models-and-tokens"
LATENCY = "otel-bridge-tool-latency"
CHANGE = (semconv.REPOSITORY_URL, semconv.CHANGE_ID)
MODEL = semconv.RESPONSE_MODEL


def test_cost_is_that_of_the_range(view: View) -> None:
    assert view.asked(COST, "Listed cost", "A") == exactly(view.true(semconv.COST))
    assert view.asked(TOKENS, "Models", "A", MODEL) == exactly(view.true(semconv.COST, MODEL))


def test_pull_requests_have_what_was_spent_on_them_in_the_range(view: View) -> None:
    """A row per pull request and one for none; money that moved in the range moved out of one and into the other."""
    true = view.true(semconv.CHANGE_COST, *CHANGE)
    assert view.asked(COST, "Pull requests by cost", "A", *CHANGE) == exactly(true)
    none = true.pop(("", ""), 0.0)
    assert sum(view.asked(COST, "On pull requests", "A").values()) == pytest.approx(sum(true.values()))
    assert sum(view.asked(COST, "Not attributed", "A").values()) == pytest.approx(none)


def test_a_pull_request_leads_to_its_sessions(view: View) -> None:
    """Each row of the table, the one for none too, gives its values to the choice below as a click does."""
    true = view.true(semconv.CHANGE_COST, semconv.SESSION_ID, *CHANGE)
    for repository, number in {(repository, number) for _, repository, number in true}:
        clicked = {**view.shown.variables, "change": number, "change_repository": repository}
        chosen = view._replace(shown=Shown(view.shown.start_s, view.shown.end_s, clicked))
        expected = {key: value for key, value in true.items() if key[1:] == (repository, number)}
        assert chosen.asked(COST, "Sessions by cost", "A", semconv.SESSION_ID, *CHANGE) == exactly(expected)


def test_tokens_by_kind_are_those_of_the_range(view: View) -> None:
    whole, read, write, output = (
        view.true(metric, MODEL)
        for metric in (semconv.USAGE_INPUT, semconv.USAGE_CACHE_READ, semconv.USAGE_CACHE_WRITE, semconv.USAGE_OUTPUT)
    )
    uncached = {key: value - read.get(key, 0) - write.get(key, 0) for key, value in whole.items()}
    for ref, expected in {"C": uncached, "D": read, "E": write, "F": output}.items():
        assert view.asked(TOKENS, "Models", ref, MODEL) == {key: value for key, value in expected.items() if value}


def test_calls_are_counted_whatever_they_took(view: View) -> None:
    calls = view.true(semconv.INFERENCE_DURATION, MODEL, count=True)
    assert view.asked(TOKENS, "Models", "B", MODEL) == calls
    every = view.true(semconv.TOOL_DURATION, semconv.TOOL_NAME, count=True)
    assert view.asked(LATENCY, "Tools", "B", semconv.TOOL_NAME) == every
    failed = view.true(semconv.TOOL_DURATION, semconv.TOOL_NAME, semconv.ERROR_TYPE, count=True)
    expected = {key: value for key, value in failed.items() if key[1]}
    assert view.asked(LATENCY, "Failures", "A", semconv.TOOL_NAME, semconv.ERROR_TYPE) == expected


def test_days_add_up_to_what_was_done_on_them(view: View) -> None:
    """The first and the last day of the range are shown whole, as far as they have come."""
    cost = view.true(semconv.COST, MODEL, by_day=True)
    assert view.asked(TOKENS, "Cost per day by model", "A", MODEL) == exactly(cost)
    read = view.true(semconv.USAGE_CACHE_READ, by_day=True)
    assert view.asked(TOKENS, "Tokens per day by kind", "B") == read
