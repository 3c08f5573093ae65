"""The variables that every dashboard has: where the data is, and which sessions count (pure)."""

from __future__ import annotations

from typing import NamedTuple

from grafana_foundation_sdk.builders import dashboard as builder
from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    VariableHide,
    VariableModel,
    VariableOption,
    VariableRefresh,
    VariableSort,
)

from otel_bridge.prometheus_names import Series
from tools.dashboards.names import MODEL, OUTPUT, REPOSITORY, SESSION_INFO, USER
from tools.dashboards.promql import LOOK_BACK, number_by

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${prometheus}")
TEMPO = DataSourceRef(type_val="tempo", uid="${tempo}")

HOST_TYPES = ("local", "ci", "cluster", "cloud")
EVERYTHING = ".*"
"""What choosing all stands for: a pattern that a missing label matches too."""

_ALL = VariableOption(selected=True, text=["All"], value=["$__all"])


def common_variables() -> list[Builder[VariableModel]]:
    """Return the variables in the order of the dashboard's head."""
    return [
        _source("prometheus", "Metrics", "Where the numbers come from"),
        _source("tempo", "Traces", "Where links to traces lead"),
        builder.CustomVariable("host_type")
        .label("Host type")
        .description("Where the agent ran")
        .values(",".join(HOST_TYPES))
        .options([VariableOption(selected=False, text=name, value=name) for name in HOST_TYPES])
        .multi(True)
        .include_all(True)
        .all_value(EVERYTHING)
        .current(_ALL),
        _choice("repository", "Repository", "The session's repository", _facts(REPOSITORY, unshown=r"https?:\/\/")),
        _choice("user", "User", "Who ran the agent", _facts(USER)),
        _choice(
            "model",
            "Model",
            "The model that answered; numbers that have no model of their own keep the sessions that used it",
            _label_values(OUTPUT, MODEL),
        ),
    ]


def pattern_box(name: str, label: str, description: str) -> Builder[VariableModel]:
    """Return a text box for a regular expression that at first matches everything."""
    everything = VariableOption(selected=True, text=EVERYTHING, value=EVERYTHING)
    return (
        builder.TextBoxVariable(name)
        .label(label)
        .description(description)
        .default_value(EVERYTHING)
        .current(everything)
    )


def text_box(name: str, label: str, description: str, text: str) -> Builder[VariableModel]:
    """Return a text box with a value to begin with."""
    return (
        builder.TextBoxVariable(name)
        .label(label)
        .description(description)
        .default_value(text)
        .current(VariableOption(selected=True, text=text, value=text))
    )


def one_value(name: str, title: str, description: str, metric: Series, label: str) -> builder.QueryVariable:
    """Return a choice of exactly one value that a label of the metric has."""
    return _query(name, description, _label_values(metric, label)).label(title).multi(False).include_all(False)


def hidden(name: str, description: str, label: str, vector: str) -> Builder[VariableModel]:
    """Return a variable that nobody sees: all values of a label in a vector, for queries to another datasource."""
    return _query(name, description, _results(vector, label)).hide(VariableHide.HIDE_VARIABLE)


class _Query(NamedTuple):
    """What Grafana asks Prometheus for the values of a variable, and how it takes them from the answer."""

    kind: int
    """Of Grafana's: 1 for values of a label, 3 for the result of a query."""
    text: str
    pattern: str = ""


def _label_values(metric: Series, label: str) -> _Query:
    return _Query(1, f"label_values({metric.name}, {label})")


def _results(vector: str, label: str, unshown: str = "") -> _Query:
    """Return a query for the label's values in a vector; ``unshown`` matches what at their start need not be seen."""
    start = f"(?:{unshown})?" if unshown else ""
    return _Query(3, f"query_result({vector})", f'/{label}="(?<value>{start}(?<text>[^"]+))"/')


def _facts(label: str, unshown: str = "") -> _Query:
    """Return a query for what is now known of sessions: corrections have taken the place of what was thought before."""
    return _results(number_by(label, f"last_over_time({SESSION_INFO.name}[{LOOK_BACK}]) == 1"), label, unshown)


def _source(kind: str, title: str, description: str) -> Builder[VariableModel]:
    shipped = VariableOption(selected=True, text=kind.capitalize(), value=kind)
    return builder.DatasourceVariable(kind).label(title).description(description).type(kind).current(shipped)


def _choice(name: str, title: str, description: str, query: _Query) -> Builder[VariableModel]:
    return _query(name, description, query).label(title).all_value(EVERYTHING)


def _query(name: str, description: str, query: _Query) -> builder.QueryVariable:
    return (
        builder.QueryVariable(name)
        .description(description)
        .datasource(PROMETHEUS)
        .query({"qryType": query.kind, "query": query.text, "refId": name})
        .definition(query.text)
        .regex(query.pattern)
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .current(_ALL)
    )
