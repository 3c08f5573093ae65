"""Models and tokens: which models do the work, what tokens they take, how well the cache serves (pure)."""

from __future__ import annotations

from grafana_foundation_sdk.cog.builder import Builder
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel

from otel_bridge.convert.metrics.facts import API_ERROR, OUTPUT_LOWER_BOUND, UNPRICED_CALL
from tools.dashboards.layout import dashboard
from tools.dashboards.names import (
    CACHE_READ,
    CACHE_WRITE,
    CALL_SOURCE,
    COST,
    INPUT,
    MODEL,
    MODEL_DURATION,
    OUTPUT,
    PRICE_DIFFERENCE,
    PROBLEM_KIND,
    PROBLEMS,
    SESSION,
    UNCACHED,
)
from tools.dashboards.panels import COUNT, SHARE, USD, Key, Line, Value, course, days, number, rows
from tools.dashboards.promql import (
    DAY,
    LISTED,
    SHOWN,
    UNRECORDED,
    Window,
    active,
    added,
    number_of,
    observations,
    or_zero,
    positive,
    share,
    sum_by,
    total,
    total_by,
)

UID = "otel-bridge-models-and-tokens"

_UNPRICED = f'{PROBLEM_KIND}="{UNPRICED_CALL}"'
_LOWER_BOUND = f'{PROBLEM_KIND}="{OUTPUT_LOWER_BOUND}"'
_API_ERROR = f'{PROBLEM_KIND}="{API_ERROR}"'
_BY_MODEL = f"{{{{{MODEL}}}}}"


def models_and_tokens() -> Dashboard:
    """Return the dashboard."""
    return dashboard(
        UID,
        "Models and tokens",
        "Which models answer and what that costs, the four kinds of tokens, the cache, and what is not certain.",
        {
            "Totals": _totals(),
            "Mix": [_cost_by_model_per_day(), _tokens_by_model_per_day(), _models(), _cost_by_source_per_day()],
            "Kinds of tokens": [_kinds_per_day(), _cache_per_day()],
            "What is not certain": [*_uncertain(), _problems(), _unrecorded_per_day()],
        },
    )


def _totals() -> list[Builder[Panel]]:
    read, whole = total(added(CACHE_READ, SHOWN)), total(added(INPUT, SHOWN))
    return [
        number("Listed cost", "List price of all recorded model calls.", USD, total(added(COST, SHOWN, LISTED))),
        number(
            "Model calls",
            "Answers of models, retries not counted.",
            COUNT,
            observations(total(added(MODEL_DURATION, SHOWN))),
        ),
        number("Input tokens", "Whole prompts, what the cache served included.", COUNT, whole),
        number("Output tokens", "Tokens of the answers, thinking included.", COUNT, total(added(OUTPUT, SHOWN))),
        number(
            "Cache hit rate", "The share of the input tokens that the cache served.", SHARE, or_zero(share(read, whole))
        ),
        number("Sessions", "Sessions that called a model.", COUNT, number_of(SESSION, active(OUTPUT, SHOWN))),
    ]


def _cost_by_model_per_day() -> Builder[Panel]:
    return days(
        "Cost per day by model",
        "Listed cost per day, by the model that answered.",
        USD,
        Line(positive(total_by(MODEL, added(COST, DAY, LISTED))), _BY_MODEL),
        width=12,
    )


def _tokens_by_model_per_day() -> Builder[Panel]:
    return days(
        "Tokens per day by model",
        "Input and output tokens, by the model that answered. Most of them are cache reads, which cost least.",
        COUNT,
        Line(total_by(MODEL, added(INPUT, DAY)), f"{_BY_MODEL} input"),
        Line(total_by(MODEL, added(OUTPUT, DAY)), f"{_BY_MODEL} output"),
        width=12,
    )


def _models() -> Builder[Panel]:
    uncached, read, write, output = _kinds(SHOWN, MODEL)
    return rows(
        "Models",
        "Calls, listed cost and tokens by the model that answered. The whole input is uncached input, cache reads and "
        "cache writes together; hit rate is the share of cache reads in it.",
        [Key(MODEL, "Model")],
        [
            Value(total_by(MODEL, added(COST, SHOWN, LISTED)), "Cost", USD, 2),
            Value(observations(total_by(MODEL, added(MODEL_DURATION, SHOWN))), "Calls", COUNT),
            Value(uncached, "Uncached input", COUNT),
            Value(read, "Cache read", COUNT),
            Value(write, "Cache write", COUNT),
            Value(output, "Output", COUNT),
            Value(share(read, total_by(MODEL, added(INPUT, SHOWN))), "Hit rate", SHARE),
        ],
    )


def _cost_by_source_per_day() -> Builder[Panel]:
    return days(
        "Cost per day by source",
        "Cost per day of the main agents, of sub-agents, of calls the client makes for itself (auxiliary), and what "
        "the clients' own totals have beyond them (unrecorded).",
        USD,
        Line(positive(total_by(CALL_SOURCE, added(COST, DAY))), f"{{{{{CALL_SOURCE}}}}}"),
    )


def _kinds_per_day() -> Builder[Panel]:
    uncached, read, write, output = _kinds(DAY)
    return days(
        "Tokens per day by kind",
        "The four kinds that have a price of their own. Uncached input is the whole input less cache reads and writes.",
        COUNT,
        Line(uncached, "uncached input"),
        Line(read, "cache read"),
        Line(write, "cache write"),
        Line(output, "output"),
        width=12,
    )


def _cache_per_day() -> Builder[Panel]:
    read, whole = (sum_by(MODEL, active(kind, DAY)) for kind in (CACHE_READ, INPUT))
    return course(
        "Cache hit rate of each day's sessions",
        "The share of the input tokens that the cache served, of the sessions at work on the day, each since it began.",
        SHARE,
        Line(share(read, whole), _BY_MODEL),
        width=12,
    )


def _uncertain() -> list[Builder[Panel]]:
    return [
        number(
            "Unpriced calls",
            "Calls of models without a known price: they are missing in every cost.",
            COUNT,
            or_zero(total(added(PROBLEMS, SHOWN, _UNPRICED))),
            width=5,
        ),
        number(
            "Lower bounds",
            "Calls whose final number of output tokens is not recorded: their output and cost may be higher.",
            COUNT,
            or_zero(total(added(PROBLEMS, SHOWN, _LOWER_BOUND))),
            width=5,
        ),
        number(
            "API errors",
            "Requests to the model API that failed for good.",
            COUNT,
            or_zero(total(added(PROBLEMS, SHOWN, _API_ERROR))),
            width=4,
        ),
        number(
            "Unrecorded cost",
            "What the clients' own totals have beyond the listed cost: calls that no transcript records.",
            USD,
            or_zero(total(added(COST, SHOWN, UNRECORDED))),
            width=5,
        ),
        number(
            "Price difference",
            "Where our price of the recorded calls is above the client's own total, by how much (at most 0).",
            USD,
            or_zero(total(added(PRICE_DIFFERENCE, SHOWN))),
            width=5,
        ),
    ]


def _problems() -> Builder[Panel]:
    return rows(
        "Problems by model",
        "Calls without a price, calls whose output is a lower bound, and requests that failed, by model.",
        [Key(PROBLEM_KIND, "Problem"), Key(MODEL, "Model")],
        [Value(positive(total_by((PROBLEM_KIND, MODEL), added(PROBLEMS, SHOWN))), "Number", COUNT)],
        width=12,
        height=9,
    )


def _unrecorded_per_day() -> Builder[Panel]:
    return days(
        "Unrecorded cost per day",
        "What the clients' own totals have beyond the listed cost, on the day the client wrote its total.",
        USD,
        Line(total(added(COST, DAY, UNRECORDED)), "unrecorded"),
        width=12,
    )


def _kinds(window: Window, *labels: str) -> tuple[str, str, str, str]:
    """Return uncached input, cache reads, cache writes and output, by labels or in total."""
    uncached, read, write, output = (
        total_by(labels, added(kind, window)) for kind in (UNCACHED, CACHE_READ, CACHE_WRITE, OUTPUT)
    )
    return uncached, read, write, output
