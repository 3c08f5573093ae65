"""Sessions that take long are worked on seldom."""

from __future__ import annotations

import pytest

from otel_bridge.pipeline.index.pauses import Pauses

SECOND = 1_000_000_000


def at(pauses: Pauses, second: float) -> set[str]:
    return set(pauses.at(round(second * SECOND)))


def test_a_pause_is_thirty_times_as_long_as_the_work() -> None:
    """Each session has its own, whatever was worked on beside it."""
    pauses = Pauses(at_least_ns=5 * SECOND)
    pauses.begin({"long": SECOND, "short": SECOND // 2}, 100 * SECOND)
    assert at(pauses, 114.9) == {"long", "short"}
    assert at(pauses, 115) == at(pauses, 129.9) == {"long"}
    assert at(pauses, 130) == set()


@pytest.mark.parametrize(("work_s", "until_s"), [(0, 105), (0.1, 105), (10, 160)])
def test_it_has_bounds(work_s: float, until_s: float) -> None:
    """Five seconds here, and never more than a minute."""
    pauses = Pauses(at_least_ns=5 * SECOND)
    pauses.begin({"one": round(work_s * SECOND)}, 100 * SECOND)
    assert at(pauses, until_s - 0.1) == {"one"}
    assert at(pauses, until_s) == set()


def test_little_work_is_free() -> None:
    """Whoever is done at once is not kept waiting."""
    pauses = Pauses(at_least_ns=0, free_ns=SECOND)
    pauses.begin({"quick": SECOND - 1, "slow": SECOND}, 100 * SECOND)
    assert at(pauses, 100) == {"slow"}


def test_a_session_can_be_held_as_long_as_any() -> None:
    """However little work it was."""
    pauses = Pauses(at_least_ns=0, free_ns=SECOND)
    pauses.hold(["one"], 100 * SECOND)
    assert at(pauses, 159.9) == {"one"}
    assert at(pauses, 160) == set()


def test_a_clock_that_is_set_back_ends_pauses() -> None:
    """Rather than to have them last until it is where it was."""
    pauses = Pauses(at_least_ns=5 * SECOND)
    pauses.begin({"one": 0}, 100_000 * SECOND)
    assert at(pauses, 100) == set()
