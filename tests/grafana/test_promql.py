"""Every query of the dashboards is PromQL that asks for what otel-bridge declares, and nothing else."""

from __future__ import annotations

from typing import NamedTuple

import promql_parser as promql
import pytest

from tests.grafana.shipped import QUERIES, name_of
from tools.dashboards.names import SERIES
from tools.dashboards.queries import Query

ASKED = [query for query in QUERIES if query.kind == "promql"]
ON_EVERY_SERIES = {"job", "session_id"}


class Named(NamedTuple):
    """What an expression names: labels by metric as its selectors have them, and labels elsewhere."""

    selected: list[tuple[str, set[str]]]
    grouped: set[str]
    made: set[str]


def named(text: str) -> Named:
    """Return all names in an expression; labels that ``label_replace`` makes apart."""
    found = Named([], set(), set())

    def visit(node: promql.Expr) -> bool:
        if isinstance(node, promql.MatrixSelector):
            node = node.vector_selector
        if isinstance(node, promql.VectorSelector):
            found.selected.append((node.name or "", {matcher.name for matcher in node.matchers.matchers}))
        elif isinstance(node, promql.AggregateExpr) and node.modifier is not None:
            found.grouped.update(node.modifier.labels)
        elif isinstance(node, promql.BinaryExpr) and node.modifier is not None:
            found.grouped.update(node.modifier.matching.labels if node.modifier.matching else ())
            found.grouped.update(node.modifier.group_labels or ())
        elif isinstance(node, promql.Call) and node.func.name == "label_replace":
            found.made.add(node.args[1].val)
            found.grouped.update({node.args[3].val} - {""})
        return True

    promql.walk(promql.parse(text), visit)
    return found


@pytest.mark.parametrize("query", ASKED, ids=name_of)
def test_every_query_parses(query: Query) -> None:
    promql.parse(query.text)


@pytest.mark.parametrize("query", ASKED, ids=name_of)
def test_every_name_is_declared(query: Query) -> None:
    """Metrics, labels they are selected by, and labels they are grouped by are those of the declaration."""
    names = named(query.text)
    assert names.selected
    assert {metric for metric, _ in names.selected} <= SERIES.keys()
    labels = ON_EVERY_SERIES.union(*(SERIES[metric].labels for metric, _ in names.selected))
    assert names.grouped <= labels | names.made


@pytest.mark.parametrize("query", ASKED, ids=name_of)
def test_every_selector_uses_labels_that_its_metric_has(query: Query) -> None:
    """But for session.info, which has no model: the choice of all matches that, no other does."""
    for metric, labels in named(query.text).selected:
        spare = {"gen_ai_response_model"} if metric == "coding_agent_session_info" else set()
        assert labels - spare <= SERIES[metric].labels | ON_EVERY_SERIES


@pytest.mark.parametrize("query", [query for query in ASKED if not query.panel.startswith("variable ")], ids=name_of)
def test_every_panel_respects_every_variable(query: Query) -> None:
    """Host type, user and repository through session.info; the model by label, or by the sessions that used it."""
    chosen: set[str] = set().union(*(labels for _, labels in named(query.text).selected))
    wanted = {"coding_agent_host_type", "user_name", "vcs_repository_url_full", "gen_ai_response_model"}
    assert chosen >= wanted
