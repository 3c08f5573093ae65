"""PromQL that is exact over history, one function per phrase (pure).

Session metrics are cumulative per session and written at event time, so ``rate`` and ``increase`` are never right for
them: what a window added is the last value in it, less the last value before it.
Every vector made here holds only what the dashboard's variables choose, so no panel can forget one.
"""

from __future__ import annotations

from typing import NamedTuple

from tools.dashboards.names import HOST_TYPE, MODEL, OUTPUT, REPOSITORY, SESSION, SESSION_INFO, USER, Series

LOOK_BACK = "400d"
"""How far back the last value of a session may lie: the retention, as sessions may pause for as long as they like."""

_CHOSEN_FACTS = {HOST_TYPE: "$host_type", USER: "$user", REPOSITORY: "$repository"}
_CHOSEN_MODEL = f'{MODEL}=~"$model"'


class Window(NamedTuple):
    """A stretch of time: its length, and how selectors reach its end, its start and what is known of the sessions."""

    length: str
    end: str
    start: str
    facts: str


SHOWN = Window("$__range", end="", start=" offset $__range", facts="")
"""The time range of the dashboard, for instant queries."""
DAY = Window("1d", end=" offset -1d", start="", facts=" @ end() offset -1d")
"""The day that begins at each point of a range query with step 1d; sessions count as they are known in the end."""


def added(metric: Series, window: Window, *matchers: str) -> str:
    """Return what each chosen series gained in the window; matchers such as ``error_type!=""`` select further."""
    if MODEL in metric.labels:
        matchers = (*matchers, _CHOSEN_MODEL)
    chosen = f"{metric.name}{{{', '.join(matchers)}}}" if matchers else metric.name
    now = f"last_over_time({chosen}[{window.length}]{window.end})"
    before = f"last_over_time({chosen}[{LOOK_BACK}]{window.start})"
    gained = f"{now} - ({before} or {now} * 0) and on ({SESSION}) {_chosen_sessions(window)}"
    return gained if MODEL in metric.labels else f"{gained} and on ({SESSION}) {_with_chosen_model(window)}"


def with_facts(vector: str, window: Window, *labels: str) -> str:
    """Return a vector by session with these labels of ``session.info`` added."""
    return f"({vector}) * on ({SESSION}) group_left ({', '.join(labels)}) {_chosen_sessions(window)}"


def with_largest(vector: str, other: str, *labels: str) -> str:
    """Return a vector by session with these labels of the largest series that its session has in another vector."""
    return f"({vector}) * on ({SESSION}) group_left ({', '.join(labels)}) topk by ({SESSION}) (1, {other})"


def named(vector: str, label: str, source: str, otherwise: str) -> str:
    """Return a vector with a label that repeats another one, and says ``otherwise`` where that one is missing."""
    copied = f'label_replace({vector}, "{label}", "$1", "{source}", "(.+)")'
    return f'label_replace({copied}, "{label}", "{otherwise}", "{source}", "")'


def total(vector: str) -> str:
    """Return the sum of everything."""
    return f"sum({vector})"


def total_by(labels: str | tuple[str, ...], vector: str) -> str:
    """Return the sum per label or combination of labels."""
    return f"sum by ({_listed(labels)}) ({vector})"


def largest_by(labels: str | tuple[str, ...], vector: str) -> str:
    """Return the largest value per label or combination of labels."""
    return f"max by ({_listed(labels)}) ({vector})"


def number_of(labels: str | tuple[str, ...], vector: str) -> str:
    """Return how many different combinations of these labels there are."""
    return f"count(count by ({_listed(labels)}) ({vector}))"


def number_by(labels: str | tuple[str, ...], vector: str) -> str:
    """Return how many series there are per combination of labels."""
    return f"count by ({_listed(labels)}) ({vector})"


def positive(vector: str) -> str:
    """Return the series above zero."""
    return f"({vector}) > 0"


def nonzero(vector: str) -> str:
    """Return the series that are not zero; money that moved to a pull request found later is below it."""
    return f"({vector}) != 0"


def quantile(share: float, histograms: str) -> str:
    """Return a quantile of each histogram, such as 0.95; an empty one has none (it would be NaN, which is not >= 0)."""
    return f"histogram_quantile({share:g}, {histograms}) >= 0"


def observations(histograms: str) -> str:
    """Return how many values each histogram holds."""
    return f"histogram_count({histograms})"


def sum_of_observations(histograms: str) -> str:
    """Return the sum of the values in each histogram."""
    return f"histogram_sum({histograms})"


def less(vector: str, *parts: str) -> str:
    """Return a vector less others with the same labels; a part that has no series is none."""
    return f"({vector}{''.join(f' - ({part} or {vector} * 0)' for part in parts)})"


def share(part: str, whole: str) -> str:
    """Return part ÷ whole, 0 where the part has no series and nothing where the whole is 0."""
    return f"({part} or {whole} * 0) / ({whole} > 0)"


def top(count: int, vector: str) -> str:
    """Return the largest series."""
    return f"topk({count}, {vector})"


def or_zero(vector: str) -> str:
    """Return a single number, 0 where there is none."""
    return f"{vector} or vector(0)"


def _chosen_sessions(window: Window) -> str:
    """Return 1 for every session that host type, user and repository let through, as far as known by then.

    ``== 1`` leaves out what was corrected since. Choosing all is the pattern ``.*``, which a missing label matches too.
    """
    facts = ", ".join(f'{name}=~"{variable}"' for name, variable in _CHOSEN_FACTS.items())
    return f"(last_over_time({SESSION_INFO.name}{{{facts}}}[{LOOK_BACK}]{window.facts}) == 1)"


def _with_chosen_model(window: Window) -> str:
    """Return series of every session that used a chosen model: those of its tokens.

    ``session.info`` has no model, so only the pattern for all matches it: then every session passes, calls or none.
    """
    names = f'__name__=~"{OUTPUT.name}|{SESSION_INFO.name}"'
    return f"last_over_time({{{names}, {_CHOSEN_MODEL}}}[{LOOK_BACK}]{window.facts})"


def _listed(labels: str | tuple[str, ...]) -> str:
    return labels if isinstance(labels, str) else ", ".join(labels)
