"""Grafana is provisioned with what the dashboards name, and nobody can change it by accident."""

from __future__ import annotations

from typing import Any

import promql_parser as promql
import pytest
import yaml

from tests.grafana.shipped import DASHBOARDS
from tests.grafana.test_promql import named
from tools.dashboards.__main__ import FOLDER
from tools.dashboards.names import SERIES

PROVISIONING = FOLDER.parent / "provisioning"


def provisioned(kind: str) -> Any:
    (path,) = (PROVISIONING / kind).glob("*.yaml")
    return yaml.safe_load(path.read_text(encoding="utf-8"))


SOURCES = {each["uid"]: each for each in provisioned("datasources")["datasources"]}
TO_METRICS = SOURCES["tempo"]["jsonData"]["tracesToMetrics"]


def test_datasources_have_fixed_uids_and_cannot_be_edited() -> None:
    assert {uid: (each["type"], each["editable"]) for uid, each in SOURCES.items()} == {
        "prometheus": ("prometheus", False),
        "tempo": ("tempo", False),
    }
    assert SOURCES["prometheus"]["isDefault"]


@pytest.mark.parametrize("name", DASHBOARDS)
def test_dashboards_open_with_them(name: str) -> None:
    chosen = {
        each["query"]: each["current"]
        for each in DASHBOARDS[name]["templating"]["list"]
        if each["type"] == "datasource"
    }
    assert {kind: (current["text"], current["value"]) for kind, current in chosen.items()} == {
        kind: (SOURCES[kind]["name"], kind) for kind in ("prometheus", "tempo")
    }


def test_every_span_leads_to_the_metrics_of_its_session() -> None:
    """`$` is doubled for the environment of the file, and every query asks for declared names."""
    assert TO_METRICS["datasourceUid"] in SOURCES
    assert TO_METRICS["tags"] == [{"key": "session.id", "value": "session_id"}]
    for each in TO_METRICS["queries"]:
        assert each["query"].count("$") == each["query"].count("$$") * 2 == 2
        query = each["query"].replace("$$__tags", 'session_id="a"')
        promql.parse(query)
        names = named(query)
        for metric, labels in names.selected:
            assert labels | names.grouped <= SERIES[metric].labels


def test_dashboards_are_read_from_where_compose_puts_them() -> None:
    (provider,) = provisioned("dashboards")["providers"]
    compose = yaml.safe_load((FOLDER.parents[1] / "docker-compose.yml").read_text(encoding="utf-8"))
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in compose["services"]["grafana"]["volumes"]
    assert not provider["allowUiUpdates"]
