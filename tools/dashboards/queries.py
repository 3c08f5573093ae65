"""Every query of the committed dashboards as Grafana would send it, for tests that run them.

    for query in queries(Shown(start_s=…, end_s=…)):
        ask(query.text, at=query.end_s) if query.step_s is None else ask_range(query.text, query.start_s, …)

Substitution follows Grafana's Prometheus and Tempo datasources: a choice of several values becomes ``(a|b)`` with
regular expressions escaped, in TraceQL ``a|b``; ``$__range`` is whole seconds; range queries begin and end at
multiples of their step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

FOLDER = Path(__file__).parents[2] / "grafana" / "dashboards"

_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::\w+)?\}|(?P<plain>[A-Za-z_]\w*))")
"""``$1`` is a group in PromQL's ``label_replace``, no variable."""
_SPECIAL = re.compile(r"[\\^$*{}\[\]'+?.()|]")
_DURATION = re.compile(r"(\d+)([smhd])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}

Kind = Literal["promql", "traceql"]
Values = str | Sequence[str]


@dataclass(frozen=True)
class Shown:
    """What a viewer looks at: a time range in seconds since the epoch, and values of variables.

    Variables that are not named have the value the dashboard opens with; a sequence is a choice of several values.
    ``zone_offset_s`` is that of the viewer's time zone, 0 for UTC: days begin at its midnight.
    """

    start_s: int
    end_s: int
    variables: Mapping[str, Values] = field(default_factory=dict)
    zone_offset_s: int = 0

    def aligned(self, at_s: int, step_s: int) -> int:
        """Return the last multiple of a step at or before a time, in the viewer's zone."""
        return (at_s + self.zone_offset_s) // step_s * step_s - self.zone_offset_s


@dataclass(frozen=True)
class Query:
    """One query with all variables filled in."""

    dashboard: str
    """Its uid."""
    panel: str
    """Title of the panel, or ``variable NAME`` for what fills a choice."""
    ref: str
    kind: Kind
    text: str
    start_s: int
    end_s: int
    """Instant queries are evaluated at the end."""
    step_s: int | None
    """``None`` for an instant query."""


def queries(shown: Shown, folder: Path = FOLDER) -> list[Query]:
    """Return the queries of all panels and variables of all dashboards in a folder, ready to be sent."""
    files = sorted(folder.glob("*.json"))
    return [query for path in files for query in dashboard_queries(json.loads(path.read_text(encoding="utf-8")), shown)]


def dashboard_queries(dashboard: Mapping[str, Any], shown: Shown) -> Iterator[Query]:
    """Yield the queries of one dashboard, its variables first."""
    values = {each["name"]: _opening_value(each) for each in dashboard["templating"]["list"]} | dict(shown.variables)
    for variable in dashboard["templating"]["list"]:
        if variable["type"] == "query" and variable["query"]["query"].startswith("query_result("):
            text = variable["query"]["query"].removeprefix("query_result(").removesuffix(")")
            yield _query(dashboard, f"variable {variable['name']}", {"refId": "A", "expr": text}, values, shown)
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield _query(dashboard, panel["title"], target, values, shown)


def panels(dashboard: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return all panels of a dashboard that are not rows, those inside rows too."""
    nested = [panel for row in dashboard["panels"] for panel in (row, *row.get("panels", ()))]
    return [panel for panel in nested if panel["type"] != "row"]


def _query(
    dashboard: Mapping[str, Any], panel: str, target: Mapping[str, Any], values: Mapping[str, Values], shown: Shown
) -> Query:
    step_s = _seconds(target["interval"]) if target.get("range") else None
    start_s, end_s = (at if step_s is None else shown.aligned(at, step_s) for at in (shown.start_s, shown.end_s))
    kind: Kind = "promql" if "expr" in target else "traceql"
    text = _filled_in(target["expr" if kind == "promql" else "query"], kind, values, shown)
    return Query(dashboard["uid"], panel, target["refId"], kind, text, start_s, end_s, step_s)


def _filled_in(text: str, kind: Kind, values: Mapping[str, Values], shown: Shown) -> str:
    def value_of(match: re.Match[str]) -> str:
        name = match["braced"] or match["plain"]
        if name == "__range":
            return f"{shown.end_s - shown.start_s}s"
        value = values[name]
        if isinstance(value, str):
            return value
        return "|".join(value) if kind == "traceql" else _pattern(value)

    return _VARIABLE.sub(value_of, text)


def _pattern(chosen: Sequence[str]) -> str:
    """Return chosen values as a regular expression inside a PromQL string."""
    escaped = [_SPECIAL.sub(r"\\\\\g<0>", value) for value in chosen]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def _opening_value(variable: Mapping[str, Any]) -> Values:
    """Return the value a dashboard opens with; all values of a variable without a pattern for them are none yet."""
    if variable.get("includeAll"):
        return str(variable.get("allValue") or "")
    return str(variable["current"]["value"])


def _seconds(duration: str) -> int:
    """Return the seconds of a duration such as ``1d``."""
    match = _DURATION.fullmatch(duration)
    if match is None:
        raise ValueError(f"not a duration: {duration!r}")
    return int(match[1]) * _SECONDS[match[2]]
