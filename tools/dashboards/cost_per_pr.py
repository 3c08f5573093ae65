"""Cost per PR: what pull requests cost, day by day, and which sessions that was (pure)."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from tools.dashboards.layout import dashboard
from tools.dashboards.links import field, to_dashboard, to_traces
from tools.dashboards.names import (
    CHANGE,
    CHANGE_COST,
    COST,
    HOST_TYPE,
    MODEL,
    OUTPUT,
    REPOSITORY,
    SESSION,
    USER,
)
from tools.dashboards.panels import COUNT, USD, Key, Line, Names, Value, days, number, rows
from tools.dashboards.promql import (
    DAY,
    LISTED,
    SHOWN,
    UNRECORDED,
    active,
    added,
    each,
    named,
    nonzero,
    number_by,
    number_of,
    or_zero,
    positive,
    top,
    total,
    total_by,
    with_facts,
    with_largest,
)
from tools.dashboards.variables import EVERYTHING, pattern_box

UID = "otel-bridge-cost-per-pr"

_PULL_REQUEST = (REPOSITORY, CHANGE)
_ATTRIBUTED = f'{CHANGE}!=""'
_NOT_ATTRIBUTED = f'{CHANGE}=""'
_CHOSEN = (f'{CHANGE}=~"$change"', f'{REPOSITORY}=~"$change_repository"')
_SHOWN_NAME = "pull_request"
"""A label these queries make: the number of the pull request, or that there is none."""
_MOST_SESSIONS = 200


def cost_per_pr() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        UID,
        "Cost per PR",
        "What pull requests cost at list price, what could not be attributed to any, and the sessions behind each.",
        {
            "Totals": _totals(),
            "Pull requests": [_pull_requests(), _per_day()],
            "Sessions": [_sessions_of_change()],
        },
        [
            pattern_box("change", "Change", "Number of the pull request, as a pattern; empty: what is not attributed"),
            pattern_box("change_repository", "of repository", "Repository of the pull request, as a pattern"),
        ],
    )


def _totals() -> list[Builder[Panel]]:
    return [
        number(
            "Listed cost",
            "List price of all recorded model calls in the time range: what `otel-bridge stats` totals.",
            USD,
            total(added(COST, SHOWN, LISTED)),
        ),
        number(
            "On pull requests",
            "The part of the listed cost that belongs to a pull request. "
            "Model keeps the sessions that used it, with all they cost.",
            USD,
            total(added(CHANGE_COST, SHOWN, _ATTRIBUTED)),
        ),
        number(
            "Not attributed",
            "The part of the listed cost that belongs to no pull request, as known by the end of the time range.",
            USD,
            or_zero(total(added(CHANGE_COST, SHOWN, _NOT_ATTRIBUTED))),
        ),
        number(
            "Unrecorded",
            "What the clients' own totals have beyond the listed cost: calls that no transcript records, such as "
            "compactions. No pull request can be told for it.",
            USD,
            or_zero(total(added(COST, SHOWN, UNRECORDED))),
        ),
        number(
            "With unrecorded",
            "Listed cost and unrecorded cost together.",
            USD,
            total(added(COST, SHOWN)),
        ),
        number(
            "Sessions",
            "Sessions that called a model in the time range.",
            COUNT,
            number_of(SESSION, active(OUTPUT, SHOWN)),
        ),
    ]


def _pull_requests() -> Builder[Panel]:
    gained = added(CHANGE_COST, SHOWN)
    spent = each(gained)
    models = with_largest(active(OUTPUT, SHOWN), spent, *_PULL_REQUEST)
    return rows(
        "Pull requests by cost",
        "Cost in the time range by pull request; what belongs to none has a row of its own. All rows add up to the "
        "listed cost. Sessions: those that spent on it. Models: those of the sessions that spent most on it. "
        "A pull request opens its sessions below.",
        [
            Key(REPOSITORY, "Repository"),
            Key(
                _SHOWN_NAME,
                "Pull request",
                [to_dashboard("Show its sessions", UID, change=field(CHANGE), change_repository=field(REPOSITORY))],
            ),
            Key(CHANGE, "Change", is_hidden=True),
        ],
        [
            Value(_shown(nonzero(total_by(_PULL_REQUEST, gained))), "Cost", USD, 2),
            Value(_shown(number_by(_PULL_REQUEST, positive(spent))), "Sessions", COUNT),
            Names(_shown(number_by((*_PULL_REQUEST, MODEL), models)), "Models", MODEL),
        ],
    )


def _per_day() -> Builder[Panel]:
    return days(
        "Cost per day",
        "Listed cost per day, on pull requests and on none; follows the choice of a pull request. "
        "A day below zero had its cost moved to a pull request that was linked on a later day.",
        USD,
        Line(total(added(CHANGE_COST, DAY, _ATTRIBUTED, *_CHOSEN)), "on pull requests"),
        Line(total(added(CHANGE_COST, DAY, _NOT_ATTRIBUTED, *_CHOSEN)), "not attributed"),
    )


def _sessions_of_change() -> Builder[Panel]:
    spent = total_by((SESSION, *_PULL_REQUEST), added(CHANGE_COST, SHOWN, *_CHOSEN))
    traces = to_traces("Show its traces", f'{{ span.session.id = "{field(SESSION)}" }}')
    return rows(
        "Sessions by cost",
        f"The {_MOST_SESSIONS} sessions that spent most on the chosen pull request (on any, until one is chosen). "
        "A session opens its traces.",
        [
            Key(SESSION, "Session", [traces]),
            Key(REPOSITORY, "Repository"),
            Key(CHANGE, "Pull request"),
            Key(USER, "User"),
            Key(HOST_TYPE, "Host type"),
        ],
        [Value(top(_MOST_SESSIONS, with_facts(nonzero(spent), SHOWN, USER, HOST_TYPE)), "Cost", USD, 4)],
        links=[to_dashboard("Show those of all pull requests", UID, change=EVERYTHING, change_repository=EVERYTHING)],
    )


def _shown(vector: str) -> str:
    """Return a vector by pull request with the name its row shows."""
    return named(vector, _SHOWN_NAME, CHANGE, "not attributed")
