"""What the dashboards have in common: head, variables, links to each other, numbered panels in titled rows (pure)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import count

from grafana_foundation_sdk.builders import dashboard as builder
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    Dashboard,
    DashboardCursorSync,
    DashboardLink,
    DashboardLinkType,
    Panel,
    VariableModel,
)

from tools.dashboards.variables import common_variables

TAG = "otel-bridge"
FIRST_DAY = "now-29d/d"
"""Dashboards open with 30 whole days, today's first part the last of them, so bars per day add up to the totals."""


def dashboard(
    uid: str,
    title: str,
    meaning: str,
    rows: Mapping[str, Sequence[Builder[Panel]]],
    variables: Sequence[Builder[VariableModel]] = (),
) -> Dashboard:
    """Return a dashboard of titled rows of panels; days are those of UTC until a viewer chooses otherwise."""
    built = (
        builder.Dashboard(title)
        .uid(uid)
        .description(meaning)
        .tags([TAG])
        .readonly()
        .timezone("utc")
        .time(FIRST_DAY, "now")
        .refresh("")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .variables([*common_variables(), *variables])
        .annotations([])
        .link(_siblings())
    )
    ids = count(1)
    for name, panels in rows.items():
        built.with_row(builder.Row(name).id(next(ids)))
        for panel in panels:
            built.with_panel(_Numbered(panel, next(ids)))
    return built.build()


def as_json(built: Dashboard) -> str:
    """Return the file that Grafana provisions.

    The SDK puts every link into a menu that has to be opened; those to the other dashboards are to be seen.
    """
    document = json.loads(json.dumps(built, cls=JSONEncoder))
    for link in document["links"]:
        del link["placement"]
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


class _Numbered(Builder[Panel]):
    """A panel with its id."""

    def __init__(self, panel: Builder[Panel], number: int) -> None:
        self._panel = panel
        self._number = number

    def build(self) -> Panel:
        """Return the panel."""
        panel = self._panel.build()
        panel.id_val = self._number
        return panel


def _siblings() -> Builder[DashboardLink]:
    return (
        builder.DashboardLink("Coding agents")
        .type(DashboardLinkType.DASHBOARDS)
        .tags([TAG])
        .as_dropdown(True)
        .include_vars(True)
        .keep_time(True)
    )
