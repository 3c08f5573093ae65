"""Panels of the few kinds that the dashboards use: each from title, meaning, unit and queries (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from string import ascii_uppercase
from typing import NamedTuple

from grafana_foundation_sdk.builders import common, prometheus, stat, table, tempo, timeseries
from grafana_foundation_sdk.models.common import (
    BarAlignment,
    BigValueColorMode,
    BigValueGraphMode,
    GraphDrawStyle,
    GraphThresholdsStyleMode,
    LegendDisplayMode,
    LegendPlacement,
    StackingMode,
    TooltipDisplayMode,
    VisibilityMode,
)
from grafana_foundation_sdk.models.dashboard import DataTransformerConfig, DynamicConfigValue, MatcherConfig
from grafana_foundation_sdk.models.prometheus import PromQueryFormat
from grafana_foundation_sdk.models.tempo import SearchTableType

from tools.dashboards.links import RowLink
from tools.dashboards.variables import PROMETHEUS, TEMPO

USD = "currencyUSD"
SECONDS = "s"
COUNT = "short"
SHARE = "percentunit"
TEXT = "string"

_FULL_WIDTH = 24
_NOTHING = {COUNT: "0", SHARE: "0%"}
_MOST_DAYS = 1000
"""A range query keeps its step of one day for as many days."""


class Line(NamedTuple):
    """One query of a chart and the name of its series, which may hold ``{{label}}``."""

    vector: str
    name: str


class Key(NamedTuple):
    """A column that tells the rows apart: a label of the queries."""

    label: str
    title: str
    links: Sequence[RowLink] = ()
    is_hidden: bool = False


class Value(NamedTuple):
    """A column with one number per row."""

    vector: str
    title: str
    unit: str
    decimals: int | None = None


class Names(NamedTuple):
    """A column with all values that a label has in the series of a row."""

    vector: str
    title: str
    label: str


def number(
    title: str, meaning: str, unit: str, vector: str, *, width: int = 4, decimals: int | None = None
) -> stat.Panel:
    """Return one large number over the dashboard's time range."""
    panel = (
        stat.Panel()
        .title(title)
        .description(meaning)
        .datasource(PROMETHEUS)
        .with_target(_instant(vector, "A"))
        .unit(unit)
        .no_value("0")
        .graph_mode(BigValueGraphMode.NONE)
        .color_mode(BigValueColorMode.NONE)
        .height(4)
        .span(width)
    )
    return panel if decimals is None else panel.decimals(decimals)


def days(title: str, meaning: str, unit: str, *lines: Line, width: int = _FULL_WIDTH) -> timeseries.Panel:
    """Return one bar per day, the lines stacked; every bar begins where its day begins."""
    return (
        _chart(title, meaning, unit, lines, width)
        .draw_style(GraphDrawStyle.BARS)
        .bar_alignment(BarAlignment.AFTER)
        .bar_width_factor(0.9)
        .fill_opacity(80)
        .line_width(0)
        .stacking(common.StackingConfig().mode(StackingMode.NORMAL).group("A"))
        .legend(_legend(["sum"]))
    )


def course(title: str, meaning: str, unit: str, *lines: Line, width: int = _FULL_WIDTH) -> timeseries.Panel:
    """Return one point per day and line, for what cannot be added up, such as quantiles."""
    return (
        _chart(title, meaning, unit, lines, width)
        .draw_style(GraphDrawStyle.LINE)
        .show_points(VisibilityMode.ALWAYS)
        .point_size(6)
        .span_nulls(False)
        .thresholds_style(common.GraphThresholdsStyleConfig().mode(GraphThresholdsStyleMode.OFF))
        .legend(_legend(["lastNotNull", "max"]))
    )


def rows(
    title: str,
    meaning: str,
    keys: Sequence[Key],
    columns: Sequence[Value | Names],
    *,
    width: int = _FULL_WIDTH,
    height: int = 10,
    links: Sequence[RowLink] = (),
) -> table.Panel:
    """Return a table with a row per combination of keys, the largest of the first number on top."""
    refs = dict(zip(ascii_uppercase, columns, strict=False))
    field_of = {ref: "Value" if len(refs) == 1 else f"Value #{ref}" for ref in refs}
    numbers = {field_of[ref]: each for ref, each in refs.items() if isinstance(each, Value)}
    names = {ref: each for ref, each in refs.items() if isinstance(each, Names)}
    largest = next(iter(numbers.values()))
    panel = (
        table.Panel()
        .title(title)
        .description(meaning)
        .datasource(PROMETHEUS)
        .targets([_instant(each.vector, ref) for ref, each in refs.items()])
        .transformations([*_gathered(names, keys), _merged(), _arranged(keys, numbers, names)])
        .unit(largest.unit)
        .no_value("")
        .sort_by([common.TableSortByFieldState().display_name(largest.title).desc(True)])
        .links([link.as_panel_link() for link in links])
        .height(height)
        .span(width)
    )
    for column in numbers.values():
        panel.override_by_name(column.title, _format(column))
    for key in keys:
        panel.override_by_name(key.title, _looks(key))
    for each in names.values():
        panel.override_by_name(each.title, [DynamicConfigValue(id_val="unit", value=TEXT)])
    return panel


def spans(title: str, meaning: str, traceql: str, *, sort: str, height: int = 10) -> table.Panel:
    """Return the spans a TraceQL query finds, each linked to its trace by the datasource itself."""
    query = (
        tempo.Dataquery()
        .ref_id("A")
        .datasource(TEMPO)
        .query_type("traceql")
        .query(traceql)
        .limit(100)
        .spss(20)
        .table_type(SearchTableType.SPANS)
    )
    return (
        table.Panel()
        .title(title)
        .description(meaning)
        .datasource(TEMPO)
        .with_target(query)
        .unit(TEXT)
        .override_by_name(sort, [DynamicConfigValue(id_val="unit", value="ns")])
        .sort_by([common.TableSortByFieldState().display_name(sort).desc(True)])
        .height(height)
        .span(_FULL_WIDTH)
    )


def _chart(title: str, meaning: str, unit: str, lines: Sequence[Line], width: int) -> timeseries.Panel:
    return (
        timeseries.Panel()
        .title(title)
        .description(meaning)
        .datasource(PROMETHEUS)
        .targets([_daily(line, ref) for ref, line in zip(ascii_uppercase, lines, strict=False)])
        .unit(unit)
        .max_data_points(_MOST_DAYS)
        .tooltip(common.VizTooltipOptions().mode(TooltipDisplayMode.MULTI))
        .height(9)
        .span(width)
    )


def _legend(calculations: list[str]) -> common.VizLegendOptions:
    return (
        common.VizLegendOptions()
        .display_mode(LegendDisplayMode.TABLE)
        .placement(LegendPlacement.RIGHT)
        .show_legend(True)
        .calcs(calculations)
    )


def _query(vector: str, ref: str) -> prometheus.Dataquery:
    return prometheus.Dataquery().ref_id(ref).datasource(PROMETHEUS).expr(vector)


def _instant(vector: str, ref: str) -> prometheus.Dataquery:
    return _query(vector, ref).instant().format(PromQueryFormat.TABLE)


def _daily(line: Line, ref: str) -> prometheus.Dataquery:
    return _query(line.vector, ref).range().interval("1d").legend_format(line.name)


def _gathered(names: dict[str, Names], keys: Sequence[Key]) -> list[DataTransformerConfig]:
    """Return, per column of names, what turns a query's rows of one label value each into one row with all of them."""
    grouped = {key.label: {"operation": "groupby", "aggregations": []} for key in keys}
    return [
        DataTransformerConfig(
            id_val="groupBy",
            filter_val=MatcherConfig(id_val="byRefId", options=ref),
            options={"fields": {**grouped, each.label: {"operation": "aggregate", "aggregations": ["uniqueValues"]}}},
        )
        for ref, each in names.items()
    ]


def _merged() -> DataTransformerConfig:
    return DataTransformerConfig(id_val="merge", options={})


def _arranged(keys: Sequence[Key], numbers: dict[str, Value], names: dict[str, Names]) -> DataTransformerConfig:
    """Return the columns' order and titles: keys, then numbers, then names."""
    titles = {key.label: key.title for key in keys}
    titles |= {name: column.title for name, column in numbers.items()}
    titles |= {f"{each.label} (uniqueValues)": each.title for each in names.values()}
    order = {name: position for position, name in enumerate(titles)}
    options = {"excludeByName": {"Time": True}, "indexByName": order, "renameByName": titles}
    return DataTransformerConfig(id_val="organize", options=options)


def _format(column: Value) -> list[DynamicConfigValue]:
    """Return how a column's numbers look, and what stands where the query found nothing for the row."""
    looks = {"unit": column.unit, "decimals": column.decimals, "noValue": _NOTHING.get(column.unit)}
    return [DynamicConfigValue(id_val=name, value=value) for name, value in looks.items() if value is not None]


def _looks(key: Key) -> list[DynamicConfigValue]:
    looks = [DynamicConfigValue(id_val="unit", value=TEXT)]
    if key.links:
        looks.append(DynamicConfigValue(id_val="links", value=[link.as_data_link() for link in key.links]))
    if key.is_hidden:
        looks.append(
            DynamicConfigValue(id_val="custom.hideFrom", value={"viz": True, "legend": False, "tooltip": False})
        )
        looks.append(DynamicConfigValue(id_val="custom.hidden", value=True))
    return looks
