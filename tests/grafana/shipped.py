"""The dashboards as they are shipped, and names of what tests look at in them."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from tools.dashboards.__main__ import FOLDER
from tools.dashboards.queries import Query, Shown, panels, queries

DAY_S = 86_400
SHOWN = Shown(start_s=1_700_006_400, end_s=1_700_006_400 + 30 * DAY_S)
DASHBOARDS: dict[str, dict[str, Any]] = {
    path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.json"))
}


class Shipped(NamedTuple):
    """A panel with its dashboard."""

    file: str
    dashboard: dict[str, Any]
    panel: dict[str, Any]

    def __str__(self) -> str:
        return f"{self.file}-{self.panel['title']}"


PANELS = [Shipped(file, each, panel) for file, each in DASHBOARDS.items() for panel in panels(each)]
QUERIES = queries(SHOWN)


def name_of(each: Shipped | Query) -> str:
    """Return a test's id."""
    return f"{each.dashboard}-{each.panel}-{each.ref}" if isinstance(each, Query) else str(each)
