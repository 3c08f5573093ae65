"""Links from a row of a table to where it is explained (pure)."""

from __future__ import annotations

import json
import re
from typing import NamedTuple
from urllib.parse import quote

from grafana_foundation_sdk.builders.dashboard import DashboardLink

_VARIABLE = re.compile(r"(\$\{[^}]+\})")
KEPT_VARIABLES = ("prometheus", "tempo", "host_type", "repository", "user", "model")


class RowLink(NamedTuple):
    """What a click on a cell, or on the title of a panel, offers."""

    title: str
    url: str
    opens_tab: bool = False

    def as_data_link(self) -> dict[str, object]:
        """Return the link as the properties of a column have it."""
        return {"title": self.title, "url": self.url, "targetBlank": self.opens_tab}

    def as_panel_link(self) -> DashboardLink:
        """Return the link as panels have it."""
        return DashboardLink(self.title).url(self.url).target_blank(self.opens_tab)


def field(name: str) -> str:
    """Return what stands for the value of another column of the clicked row."""
    return f"${{__data.fields.{name}}}"


def to_traces(title: str, traceql: str) -> RowLink:
    """Return a link to Explore that runs a TraceQL query over the dashboard's time range."""
    query = {"refId": "A", "queryType": "traceql", "query": traceql, "limit": 200, "tableType": "traces", "filters": []}
    source = {"type": "tempo", "uid": "${tempo}"}
    pane = {
        "datasource": "${tempo}",
        "queries": [{**query, "datasource": source}],
        "range": {"from": "${__from}", "to": "${__to}"},
    }
    panes = json.dumps({"traces": pane}, separators=(",", ":"))
    return RowLink(title, f"/explore?schemaVersion=1&orgId=1&panes={_encoded(panes)}", opens_tab=True)


def to_dashboard(title: str, uid: str, **values: str) -> RowLink:
    """Return a link to a dashboard with the same time range and variables, and these values beside them."""
    kept = "&".join(f"${{{name}:queryparam}}" for name in KEPT_VARIABLES)
    chosen = "&".join(f"var-{name}={value}" for name, value in values.items())
    return RowLink(title, f"/d/{uid}?${{__url_time_range}}&{kept}&{chosen}")


def _encoded(text: str) -> str:
    """Return text for the query part of an address; what Grafana is to fill in stays as it is."""
    return "".join(part if _VARIABLE.fullmatch(part) else quote(part, safe="") for part in _VARIABLE.split(text))
