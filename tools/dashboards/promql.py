"""PromQL that is exact over history, one function per phrase (pure).

Session metrics are cumulative per session and written at event time, so ``rate`` and ``increase`` are never right for
them: what a window added is the last value at its end, less the last value at its start. Sums over series are taken
before the difference, which is as exact and several times as fast. Every vector made here holds only what the
dashboard's variables choose, so no panel can forget one.
"""

from __future__ import annotations

from typing import NamedTuple

from otel_bridge.convert.metrics.facts import UNRECORDED as UNRECORDED_SOURCE
from otel_bridge.prometheus_names import Series
from tools.dashboards.names import (
    CALL_SOURCE,
    HOST_TYPE,
    MODEL,
    OUTPUT,
    REPOSITORY,
    SESSION,
    SESSION_INFO,
    USER,
)

LOOK_BACK = "4000d"
"""How far back the last value of a session may lie. Longer than any retention, so that start and end of a window see
the same series: a session that falls out of the one and not of the other would count as money given back."""

LISTED = f'{CALL_SOURCE}!="{UNRECORDED_SOURCE}"'
"""What `otel-bridge stats` totals."""
UNRECORDED = f'{CALL_SOURCE}="{UNRECORDED_SOURCE}"'
"""What the clients' own totals have beyond it."""

JOB = "job"
"""Every series has this label: the service name."""

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


class Added(NamedTuple):
    """What chosen series gained in a window: what they had at its end and at its start."""

    end: str
    start: str


def added(metric: Series, window: Window, *matchers: str) -> Added:
    """Return what the chosen series gained in the window; matchers such as ``error_type!=""`` select further."""
    end, start = (_last(metric, matchers, f"[{LOOK_BACK}]{at}", window) for at in (window.end, window.start))
    return Added(end, start)


def active(metric: Series, window: Window, *matchers: str) -> str:
    """Return what chosen series had come to at the end of the window, of those that changed in it.

    Unlike ``each`` it is asked for once: to count sessions, for the largest of their durations, for shares in them.
    """
    return _last(metric, matchers, f"[{window.length}]{window.end}", window)


def each(gained: Added) -> str:
    """Return what each single series gained."""
    return f"({gained.end} - ({gained.start} or {gained.end} * 0))"


def with_facts(vector: str, window: Window, *labels: str) -> str:
    """Return a vector by session with labels of ``session.info`` added; of a session that has two, one is taken."""
    one = f"topk by ({SESSION}) (1, {_chosen_sessions(window)})"
    return f"({vector}) * on ({SESSION}) group_left ({', '.join(labels)}) {one}"


def with_largest(vector: str, other: str, *labels: str) -> str:
    """Return a vector by session with these labels of the largest series that its session has in another vector."""
    return f"({vector}) * on ({SESSION}) group_left ({', '.join(labels)}) topk by ({SESSION}) (1, {other})"


def named(vector: str, label: str, source: str, otherwise: str) -> str:
    """Return a vector with a label that repeats another one, and says ``otherwise`` where that one is missing."""
    copied = f'label_replace({vector}, "{label}", "$1", "{source}", "(.+)")'
    return f'label_replace({copied}, "{label}", "{otherwise}", "{source}", "")'


def total(gained: Added) -> str:
    """Return the sum of everything."""
    return total_by((), gained)


def total_by(labels: str | tuple[str, ...], gained: Added) -> str:
    """Return the sum per label or combination of labels; what had none of it at the start starts from zero.

    End and start get a label of their own, so that `or` keeps them apart, and each is asked for once.
    """
    end, start = (sum_by(labels, vector) for vector in gained)
    marked = [f'label_replace({part}, "part", "{number}", "", "")' for number, part in enumerate((end, f"-({start})"))]
    return sum_by(labels, " or ".join(marked))


def sum_by(labels: str | tuple[str, ...], vector: str) -> str:
    """Return the sum of a vector per label or combination of labels."""
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


def share(part: str, whole: str) -> str:
    """Return part ÷ whole; nothing where the whole is 0 (it would be NaN, which is not >= 0)."""
    return f"{part} / {whole} >= 0"


def top(count: int, vector: str) -> str:
    """Return the largest series."""
    return f"topk({count}, {vector})"


def or_zero(vector: str) -> str:
    """Return a single number, 0 where there is none."""
    return f"{vector} or vector(0)"


def _last(metric: Series, matchers: tuple[str, ...], stretch: str, window: Window) -> str:
    """Return the last value in a stretch of time of each series that the matchers and the variables let through."""
    if MODEL in metric.labels:
        matchers = (*matchers, _CHOSEN_MODEL)
    chosen = f"{metric.name}{{{', '.join(matchers)}}}" if matchers else metric.name
    not_chosen = _sessions_not_chosen(window)
    if MODEL not in metric.labels:
        not_chosen += f" unless on ({SESSION}) {_sessions_without_model(window)}"
    return f"(last_over_time({chosen}{stretch}) unless on ({SESSION}) {not_chosen})"


def _chosen_sessions(window: Window) -> str:
    """Return 1 for every session that host type, user and repository let through, as far as known by then.

    ``== 1`` leaves out what was corrected since. Choosing all is the pattern ``.*``, which a missing label matches too.
    """
    facts = ", ".join(f'{name}=~"{variable}"' for name, variable in _CHOSEN_FACTS.items())
    return f"(last_over_time({SESSION_INFO.name}{{{facts}}}[{LOOK_BACK}]{window.facts}) == 1)"


def _sessions_not_chosen(window: Window) -> str:
    """Return the sessions that host type, user or repository leave out; with all chosen none, which costs nothing."""
    left_out = " or ".join(
        f'last_over_time({SESSION_INFO.name}{{{name}!~"{variable}"}}[{LOOK_BACK}]{window.facts}) == 1'
        for name, variable in _CHOSEN_FACTS.items()
    )
    return f"({left_out})"


def _sessions_without_model(window: Window) -> str:
    """Return the sessions that used no chosen model; with all chosen none, which costs nothing.

    The pattern for all matches anything: then no series lacks a label that it matches, on either side.
    """
    every = f'last_over_time({SESSION_INFO.name}{{{MODEL}!~"$model"}}[{LOOK_BACK}]{window.facts})'
    using = f'last_over_time({OUTPUT.name}{{{_CHOSEN_MODEL}, {JOB}!~"$model"}}[{LOOK_BACK}]{window.facts})'
    return f"({every} unless on ({SESSION}) {using})"


def _listed(labels: str | tuple[str, ...]) -> str:
    return labels if isinstance(labels, str) else ", ".join(labels)
