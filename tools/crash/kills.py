"""When the watch is killed: moments spread over start-up, first look, settling, shipping and idling."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from random import Random

from tools.crash.load import Load
from tools.crash.watching import Watch

_LONGEST_WAIT_S = 1.0


class Since(Enum):
    """What a moment is counted from."""

    START = "the start of the process"
    READY = "the end of its first look"
    APPEND = "an append after that"


@dataclass(frozen=True)
class Moment:
    """A moment to kill at."""

    since: Since
    delay_s: float


@dataclass
class Lives:
    """What became of all lives of a watch."""

    kills: int = 0
    ready: int = 0
    """Killed after their first look."""
    accidents: list[str] = field(default_factory=list)
    """Lives that ended by themselves or never got ready, in words."""


def moments(count: int, rng: Random) -> list[Moment]:
    """Return so many moments."""
    return [_moment(rng) for _ in range(count)]


def _moment(rng: Random) -> Moment:
    kind = rng.random()
    if kind < 0.15:
        return Moment(Since.START, rng.uniform(0.005, 0.25))
    if kind < 0.35:
        return Moment(Since.START, rng.uniform(0.2, 1.2))
    if kind < 0.7:
        return Moment(Since.APPEND, rng.uniform(0, 0.35))
    if kind < 0.9:
        return Moment(Since.READY, rng.expovariate(1 / 0.4))
    return Moment(Since.READY, rng.uniform(1, 3.5))


def live_and_die(planned: list[Moment], start: Callable[[], Watch], load: Load) -> Lives:
    """Start and kill a watch at each moment, while the load goes on to the same share of its end."""
    lives = Lives()
    for number, moment in enumerate(planned, 1):
        load.allow(number / len(planned))
        watch = start()
        if moment.since is not Since.START and not watch.wait_until_ready():
            lives.accidents.append(f"life {number} was not ready: {watch.said()}")
        if moment.since is Since.APPEND:
            _wait_for_append(load)
        time.sleep(moment.delay_s)
        if watch.has_ended:
            lives.accidents.append(f"life {number} ended by itself: {watch.said()}")
        lives.ready += watch.is_ready
        watch.kill()
        lives.kills += 1
    return lives


def _wait_for_append(load: Load) -> None:
    written, deadline = load.written, time.monotonic() + _LONGEST_WAIT_S
    while load.written == written and time.monotonic() < deadline:
        time.sleep(0.001)
