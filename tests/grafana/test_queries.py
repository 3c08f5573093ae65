"""The list of queries fills variables in as Grafana does, so that what tests ask is what people see."""

from __future__ import annotations

from typing import Any

from tools.dashboards.queries import Query, Shown, dashboard_queries

DAY_S = 86_400
MIDNIGHT_S = 1_700_006_400


def dashboard(*targets: dict[str, Any], **variables: dict[str, Any]) -> dict[str, Any]:
    """Return a dashboard of one panel inside a row."""
    declared = [{"type": "custom", "name": name, **fields} for name, fields in variables.items()]
    panel = {"type": "stat", "title": "Panel", "targets": [{"refId": "A", **target} for target in targets]}
    return {"uid": "board", "templating": {"list": declared}, "panels": [{"type": "row", "panels": [panel]}]}


def only(board: dict[str, Any], shown: Shown) -> Query:
    (query,) = dashboard_queries(board, shown)
    return query


def text_of(expression: str, **chosen: Any) -> str:
    """Return a PromQL expression over one day with choices of ``x``."""
    board = dashboard({"expr": expression, "instant": True}, x={"includeAll": True, "allValue": ".*"})
    return only(board, Shown(MIDNIGHT_S, MIDNIGHT_S + DAY_S, chosen)).text


def test_all_is_the_pattern_of_the_variable() -> None:
    assert text_of('a{b=~"$x"}') == 'a{b=~".*"}'


def test_one_chosen_value_is_matched_literally() -> None:
    assert text_of('a{b=~"$x"}', x=["https://h/o/r.git"]) == r'a{b=~"https://h/o/r\\.git"}'


def test_several_chosen_values_are_alternatives() -> None:
    assert text_of('a{b=~"${x}"}', x=["c++", "d"]) == r'a{b=~"(c\\+\\+|d)"}'


def test_a_text_is_taken_as_it_is() -> None:
    assert text_of('a{b=~"$x"}', x="1.|2") == 'a{b=~"1.|2"}'


def test_the_range_is_whole_seconds() -> None:
    assert text_of("a[$__range]") == "a[86400s]"


def test_groups_of_a_replacement_are_no_variables() -> None:
    assert text_of('label_replace(a, "b", "$1", "c", "(.+)")') == 'label_replace(a, "b", "$1", "c", "(.+)")'


def test_an_instant_query_is_asked_at_the_end() -> None:
    query = only(dashboard({"expr": "a", "instant": True}), Shown(MIDNIGHT_S + 5, MIDNIGHT_S + 77))
    assert (query.step_s, query.start_s, query.end_s) == (None, MIDNIGHT_S + 5, MIDNIGHT_S + 77)


def test_a_range_query_begins_and_ends_at_midnight() -> None:
    shown = Shown(MIDNIGHT_S + 5, MIDNIGHT_S + DAY_S + 77)
    query = only(dashboard({"expr": "a", "range": True, "interval": "1d"}), shown)
    assert (query.step_s, query.start_s, query.end_s) == (DAY_S, MIDNIGHT_S, MIDNIGHT_S + DAY_S)


def test_midnight_is_that_of_the_viewer() -> None:
    shown = Shown(MIDNIGHT_S + 5, MIDNIGHT_S + DAY_S + 77, zone_offset_s=3600)
    query = only(dashboard({"expr": "a", "range": True, "interval": "1d"}), shown)
    assert (query.start_s, query.end_s) == (MIDNIGHT_S - 3600, MIDNIGHT_S + DAY_S - 3600)


def test_alternatives_of_traceql_are_not_escaped() -> None:
    board = dashboard({"query": '{ span.a =~ "${x:pipe}" }', "queryType": "traceql"}, x={"includeAll": True})
    query = only(board, Shown(0, 1, {"x": ["a.b", "c"]}))
    assert (query.kind, query.text) == ("traceql", '{ span.a =~ "a.b|c" }')


def test_queries_that_fill_choices_are_listed_too() -> None:
    board = dashboard()
    board["templating"]["list"].append(
        {"type": "query", "name": "user", "includeAll": True, "query": {"query": "query_result(count by (u) (a))"}}
    )
    query = only(board, Shown(0, 1))
    assert (query.panel, query.text, query.step_s) == ("variable user", "count by (u) (a)", None)
