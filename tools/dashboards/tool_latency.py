"""Tool latency: how long tools, MCP servers, permissions, models and turns take, and what fails (pure)."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel, VariableOption

from otel_bridge.prometheus_names import Series
from tools.dashboards.layout import dashboard
from tools.dashboards.links import field, to_dashboard, to_traces
from tools.dashboards.names import (
    AGENT,
    AGENT_DURATION,
    ERROR_TYPE,
    MCP_SERVER,
    MODEL,
    MODEL_DURATION,
    PERMISSION_WAIT,
    SESSION,
    TOOL,
    TOOL_DURATION,
)
from tools.dashboards.panels import COUNT, SECONDS, SHARE, Key, Line, Value, course, days, number, rows, spans
from tools.dashboards.promql import (
    DAY,
    SHOWN,
    active,
    added,
    largest_by,
    observations,
    positive,
    quantile,
    share,
    sum_by,
    sum_of_observations,
    top,
    total,
    total_by,
)
from tools.dashboards.variables import hidden, one_value, text_box

UID = "otel-bridge-tool-latency"

_FAILED = f'{ERROR_TYPE}!=""'
_OF_SERVER = f'{MCP_SERVER}!=""'
_SUCCEEDED = f'{ERROR_TYPE}=""'
_CHOSEN_TOOL = f'{TOOL}="$tool"'
_FIRST_TOOL = VariableOption(selected=True, text="Bash", value="Bash")
_MOST_TURNS = 50
_MOST_SESSIONS = 20
_SPANS_OF_TOOLS = 'span.gen_ai.operation.name = "execute_tool"'


_LONGEST_TURN = quantile(1, active(AGENT_DURATION, SHOWN))


def tool_latency() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        UID,
        "Tool latency",
        "How long tool calls, permissions, model calls and turns took, which of them failed, and the slowest ones.",
        {
            "All tools": _totals(),
            "By tool": [_tools(), _failures()],
            "One tool": [_tool_per_day(), _tool_calls_per_day()],
            "By MCP server": [_servers()],
            "Waiting for permission": [_permissions()],
            "Slowest calls": [_slowest(), _slowest_spans()],
            "Models and turns": [_models(), _turns()],
        },
        [
            one_value("tool", "Tool", "The tool shown day by day", TOOL_DURATION, TOOL).current(_FIRST_TOOL),
            text_box("slower_than", "Spans slower than", "Which tool calls the list of spans has", "10s"),
            hidden(
                "slow_sessions",
                "The sessions with the longest turns, of those that the other variables choose",
                SESSION,
                top(_MOST_SESSIONS, largest_by(SESSION, _LONGEST_TURN)),
            ),
        ],
    )


def _totals() -> list[Builder[Panel]]:
    every = total(added(TOOL_DURATION, SHOWN))
    failed = total(added(TOOL_DURATION, SHOWN, _FAILED))
    return [
        number("Tool calls", "Finished tool calls, whatever came of them.", COUNT, observations(every)),
        number("Error rate", "The share that failed.", SHARE, share(observations(failed), observations(every))),
        *(
            number(
                f"p{round(level * 100)}", f"{level:.0%} of the calls took no longer.", SECONDS, quantile(level, every)
            )
            for level in (0.5, 0.95, 0.99)
        ),
        number(
            "Time in tools",
            "All calls together, the wait for permission included.",
            SECONDS,
            sum_of_observations(every),
        ),
    ]


def _tools() -> Builder[Panel]:
    return rows(
        "Tools",
        "Finished calls by tool, the wait for permission included. Quantiles are within 9 % of the true value.",
        [Key(TOOL, "Tool", [to_dashboard("Show it day by day", UID, tool=field(TOOL))])],
        [*_latency(TOOL_DURATION, TOOL), _error_rate(TOOL)],
    )


def _tool_per_day() -> Builder[Panel]:
    durations = sum_by((), active(TOOL_DURATION, DAY, _CHOSEN_TOOL))
    return course(
        "Latency of $tool in each day's sessions",
        "How long the tool's calls took, in the sessions at work on the day, each since it began. "
        "A tool in the table above opens its own.",
        SECONDS,
        *(Line(quantile(level, durations), f"p{round(level * 100)}") for level in (0.5, 0.95, 0.99)),
        width=12,
    )


def _tool_calls_per_day() -> Builder[Panel]:
    finished = observations(total(added(TOOL_DURATION, DAY, _CHOSEN_TOOL, _SUCCEEDED)))
    failed = observations(total_by(ERROR_TYPE, added(TOOL_DURATION, DAY, _CHOSEN_TOOL, _FAILED)))
    return days(
        "Calls of $tool per day",
        "The tool's calls that finished on the day: how many succeeded, and how many failed of what.",
        COUNT,
        Line(finished, "succeeded"),
        Line(positive(failed), f"{{{{{ERROR_TYPE}}}}}"),
        width=12,
    )


def _failures() -> Builder[Panel]:
    failed = observations(total_by((TOOL, ERROR_TYPE), added(TOOL_DURATION, SHOWN, _FAILED)))
    return rows(
        "Failures",
        "Tool calls that failed, by what they failed of.",
        [Key(TOOL, "Tool"), Key(ERROR_TYPE, "Error")],
        [Value(positive(failed), "Calls", COUNT)],
    )


def _servers() -> Builder[Panel]:
    return rows(
        "MCP servers",
        "Finished calls of the tools of each MCP server, the wait for permission included.",
        [Key(MCP_SERVER, "MCP server")],
        [*_latency(TOOL_DURATION, MCP_SERVER, _OF_SERVER), _error_rate(MCP_SERVER, _OF_SERVER)],
    )


def _permissions() -> Builder[Panel]:
    return rows(
        "Waits by tool",
        "How long tool calls waited for the user's permission; calls that needed none are not counted.",
        [Key(TOOL, "Tool")],
        _latency(PERMISSION_WAIT, TOOL),
    )


def _slowest() -> Builder[Panel]:
    found = f'{{ span.session.id = "{field(SESSION)}" && {_SPANS_OF_TOOLS} }}'
    return rows(
        "Sessions with the longest turns",
        f"The {_MOST_TURNS} sessions at work in the range with the longest turns or sub-agents, up to 9 % too high. "
        "A session opens the traces of its tool calls.",
        [Key(SESSION, "Session", [to_traces("Show its tool calls", found)]), Key(AGENT, "Agent")],
        [Value(top(_MOST_TURNS, largest_by((SESSION, AGENT), _LONGEST_TURN)), "Longest", SECONDS)],
    )


def _slowest_spans() -> Builder[Panel]:
    return spans(
        "Slowest calls",
        f"Tool calls above the limit at the head, of the {_MOST_SESSIONS} sessions with the longest turns. "
        "Each opens its trace.",
        f'{{ {_SPANS_OF_TOOLS} && span.session.id =~ "${{slow_sessions:pipe}}" && duration > $slower_than }}'
        " | select(span.gen_ai.tool.name, span.coding_agent.mcp.server, span.process.executable.name, span.session.id)",
        sort="Duration",
    )


def _models() -> Builder[Panel]:
    return rows(
        "Model calls",
        "Time from the request to the whole answer, retries included, by the model that answered.",
        [Key(MODEL, "Model")],
        _latency(MODEL_DURATION, MODEL),
        width=12,
    )


def _turns() -> Builder[Panel]:
    return rows(
        "Turns and sub-agents",
        "Time from a prompt to the end of its turn, and of sub-agents from start to end, by agent.",
        [Key(AGENT, "Agent")],
        _latency(AGENT_DURATION, AGENT),
        width=12,
    )


def _latency(metric: Series, label: str, *matchers: str) -> list[Value]:
    """Return the columns that every table of durations has."""
    durations = total_by(label, added(metric, SHOWN, *matchers))
    return [
        Value(positive(sum_of_observations(durations)), "Time", SECONDS),
        Value(positive(observations(durations)), "Number", COUNT, 0),
        *(Value(quantile(level, durations), f"p{round(level * 100)}", SECONDS) for level in (0.5, 0.95, 0.99)),
    ]


def _error_rate(label: str, *matchers: str) -> Value:
    every = observations(total_by(label, added(TOOL_DURATION, SHOWN, *matchers)))
    failed = observations(total_by(label, added(TOOL_DURATION, SHOWN, *matchers, _FAILED)))
    return Value(share(failed, every), "Error rate", SHARE)
