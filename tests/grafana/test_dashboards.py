"""The shipped dashboards are those that the code makes, and each is one that people can use."""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest

from tests.grafana.shipped import DASHBOARDS, PANELS, Shipped, name_of
from tools.dashboards.__main__ import drifted
from tools.dashboards.variables import EVERYTHING, HOST_TYPES

SOURCES = {"prometheus": "${prometheus}", "tempo": "${tempo}"}
VARIABLES = {"prometheus", "tempo", "host_type", "repository", "user", "model"}
UNITS = {"currencyUSD", "s", "short", "percentunit", "string", "ns"}
FIELD = re.compile(r"\$\{__data\.fields\.(\w+)\}")
VARIABLE = re.compile(r"\$\{?(?!__)([a-z_]+)")


def everywhere(node: Any, key: str) -> list[Any]:
    """Return every value that a key has at any depth."""
    if isinstance(node, list):
        return [found for each in node for found in everywhere(each, key)]
    if not isinstance(node, dict):
        return []
    return [node[key] for name in node if name == key] + everywhere(list(node.values()), key)


def links(each: Shipped) -> list[tuple[str, str]]:
    """Return title and address of all links of a panel."""
    found = [link for several in everywhere(each.panel, "links") for link in several]
    found += [
        link for item in everywhere(each.panel, "properties") for p in item if p["id"] == "links" for link in p["value"]
    ]
    return [(link["title"], link["url"]) for link in found]


LINKS = [(each, *link) for each in PANELS for link in links(each)]


def test_dashboards_are_those_of_the_code() -> None:
    """`make dashboards` writes them; nothing edited by hand stays unseen."""
    assert drifted() == []


def test_there_are_three() -> None:
    assert {each["title"] for each in DASHBOARDS.values()} == {"Cost per PR", "Tool latency", "Models and tokens"}
    assert len({each["uid"] for each in DASHBOARDS.values()}) == 3


@pytest.mark.parametrize("name", DASHBOARDS)
def test_panels_are_told_apart(name: str) -> None:
    """No id and no title occurs twice in a dashboard, rows included, and panels do not overlap."""
    all_panels = DASHBOARDS[name]["panels"]
    assert len({panel["id"] for panel in all_panels}) == len(all_panels)
    titles = [each.panel["title"] for each in PANELS if each.file == name]
    assert len(set(titles)) == len(titles)
    cells = [cell for panel in all_panels for cell in covered(panel["gridPos"])]
    assert len(set(cells)) == len(cells)


def covered(place: dict[str, int]) -> list[tuple[int, int]]:
    x, y = place.get("x", 0), place.get("y", 0)
    assert x + place["w"] <= 24
    return [(x + right, y + down) for right in range(place["w"]) for down in range(place["h"])]


@pytest.mark.parametrize("each", PANELS, ids=name_of)
def test_every_panel_says_what_it_shows_and_in_which_unit(each: Shipped) -> None:
    assert len(each.panel["description"]) > 20
    units = [each.panel["fieldConfig"]["defaults"]["unit"]]
    units += [p["value"] for item in everywhere(each.panel, "properties") for p in item if p["id"] == "unit"]
    assert set(units) <= UNITS


@pytest.mark.parametrize("name", DASHBOARDS)
def test_data_comes_from_the_chosen_datasources(name: str) -> None:
    """Every reference to a datasource, of panels, queries and variables, is the variable."""
    found = [each for each in everywhere(DASHBOARDS[name], "datasource") if isinstance(each, dict)]
    assert found
    assert {(each["type"], each["uid"]) for each in found} <= set(SOURCES.items())


@pytest.mark.parametrize("each", PANELS, ids=name_of)
def test_every_panel_names_its_datasource_and_that_of_its_queries(each: Shipped) -> None:
    assert each.panel["datasource"] in [target["datasource"] for target in each.panel["targets"]]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_dashboard_has_the_common_variables(name: str) -> None:
    """Choosing all is a pattern that a session without the label matches too."""
    variables = {each["name"]: each for each in DASHBOARDS[name]["templating"]["list"]}
    assert variables.keys() >= VARIABLES
    for choice in ("host_type", "repository", "user", "model"):
        assert variables[choice]["multi"]
        assert variables[choice]["includeAll"]
        assert variables[choice]["allValue"] == EVERYTHING
        assert variables[choice]["current"]["value"] == ["$__all"]
    assert variables["host_type"]["query"].split(",") == list(HOST_TYPES)


@pytest.mark.parametrize("name", DASHBOARDS)
def test_every_variable_is_used_and_every_used_variable_is_there(name: str) -> None:
    """Grafana leaves the text of an unknown variable as it is, and the query finds nothing.

    The datasource of traces is on every dashboard, so that a choice of it goes along from one to the next.
    """
    dashboard = DASHBOARDS[name]
    declared = {each["name"] for each in dashboard["templating"]["list"]}
    text = json.dumps(dashboard["panels"]) + json.dumps([each["query"] for each in dashboard["templating"]["list"]])
    assert set(VARIABLE.findall(unquote(text))) | {"tempo"} == declared


@pytest.mark.parametrize("name", DASHBOARDS)
def test_history_is_read_by_exact_windows_alone(name: str) -> None:
    """No function that extrapolates, no step that the width of a window decides."""
    expressions = everywhere(DASHBOARDS[name], "expr")
    assert not [each for each in expressions if re.search(r"\b(rate|irate|increase|delta)\(|_interval", each)]


@pytest.mark.parametrize("each", [each for each in PANELS if each.panel["type"] == "timeseries"], ids=name_of)
def test_days_stay_days(each: Shipped) -> None:
    """A chart per day asks with a step of one day, and for enough points that Grafana never widens it."""
    assert {target["interval"] for target in each.panel["targets"]} == {"1d"}
    assert each.panel["maxDataPoints"] >= 400


@pytest.mark.parametrize(("each", "title", "url"), LINKS, ids=[f"{each}-{title}" for each, title, _ in LINKS])
def test_links_lead_somewhere(each: Shipped, title: str, url: str) -> None:
    """To a dashboard that is shipped with variables that it has, or to Explore with a query that is whole."""
    address = urlsplit(url)
    given = parse_qs(address.query, keep_blank_values=True)
    if address.path == "/explore":
        (panes,) = given["panes"]
        (pane,) = json.loads(panes).values()
        (query,) = pane["queries"]
        assert (
            query["datasource"] == {"type": "tempo", "uid": pane["datasource"]} == {"type": "tempo", "uid": "${tempo}"}
        )
        assert query["query"].startswith("{ span.session.id = ")
        assert pane["range"] == {"from": "${__from}", "to": "${__to}"}
    else:
        (target,) = (d for d in DASHBOARDS.values() if address.path == f"/d/{d['uid']}")
        declared = {variable["name"] for variable in target["templating"]["list"]}
        assert {name.removeprefix("var-") for name in given if name.startswith("var-")} <= declared
        assert set(re.findall(r"\$\{(\w+):queryparam\}", url)) == VARIABLES
        assert "${__url_time_range}" in url


@pytest.mark.parametrize(("each", "title", "url"), LINKS, ids=[f"{each}-{title}" for each, title, _ in LINKS])
def test_links_take_only_columns_that_the_table_has(each: Shipped, title: str, url: str) -> None:
    """The clicked row gives the values: a column that was left out gives none."""
    (arranged,) = (t["options"] for t in each.panel["transformations"] if t["id"] == "organize")
    assert set(FIELD.findall(unquote(url))) <= arranged["indexByName"].keys()
    assert not set(FIELD.findall(unquote(url))) & {name for name, out in arranged["excludeByName"].items() if out}
