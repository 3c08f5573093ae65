"""The variables that every dashboard has: where the data is, and which sessions count (pure)."""

from __future__ import annotations

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

from tools.dashboards.names import MODEL, OUTPUT, REPOSITORY, SESSION_INFO, USER
from tools.dashboards.promql import LOOK_BACK, number_by

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${prometheus}")
TEMPO = DataSourceRef(type_val="tempo", uid="${tempo}")

HOST_TYPES = ("local", "ci", "cluster", "cloud")
EVERYTHING = ".*"
"""What choosing all stands for: a pattern that a missing label matches too."""

_ALL = VariableOption(selected=True, text=["All"], value=["$__all"])
_SESSIONS = f"(last_over_time({SESSION_INFO.name}[{LOOK_BACK}]) == 1)"
_MODEL_CALLS = f"last_over_time({OUTPUT.name}[{LOOK_BACK}])"


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
        _found("repository", "Repository", "The session's repository", label=REPOSITORY, unshown=r"https?:\/\/"),
        _found("user", "User", "Who ran the agent", label=USER),
        _found(
            "model",
            "Model",
            "The model that answered; numbers that have no model of their own keep the sessions that used it",
            label=MODEL,
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


def hidden(name: str, description: str, label: str, vector: str) -> Builder[VariableModel]:
    """Return a variable that nobody sees: all values of a label in a vector, for queries to another datasource."""
    return _query(name, description, label, vector).hide(VariableHide.HIDE_VARIABLE)


def _source(kind: str, label: str, description: str) -> Builder[VariableModel]:
    shipped = VariableOption(selected=True, text=kind.capitalize(), value=kind)
    return builder.DatasourceVariable(kind).label(label).description(description).type(kind).current(shipped)


def _found(name: str, title: str, description: str, *, label: str, unshown: str = "") -> Builder[VariableModel]:
    """Return a choice among the values that a label has."""
    vector = number_by(label, _MODEL_CALLS if label == MODEL else _SESSIONS)
    return _query(name, description, label, vector, unshown).label(title).all_value(EVERYTHING)


def _query(name: str, description: str, label: str, vector: str, unshown: str = "") -> builder.QueryVariable:
    """Return a variable of the label's values; ``unshown`` is a pattern at their start to leave out of sight."""
    query = f"query_result({vector})"
    return (
        builder.QueryVariable(name)
        .description(description)
        .datasource(PROMETHEUS)
        .query({"qryType": 3, "query": query, "refId": name})
        .definition(query)
        .regex(f'/{label}="(?<value>(?:{unshown})?(?<text>[^"]+))"/')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .sort(VariableSort.ALPHABETICAL_ASC)
        .multi(True)
        .include_all(True)
        .current(_ALL)
    )
