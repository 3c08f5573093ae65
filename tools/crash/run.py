"""One run from beginning to end: history, load, outages and kills, a last life that may catch up, the verdict."""

from __future__ import annotations

import shutil
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

from otel_bridge.store.database import FILE_NAME
from tools.crash import kills
from tools.crash.arrival import wait_for_arrival
from tools.crash.first import interrupted_first_looks
from tools.crash.kills import Lives
from tools.crash.load import Load
from tools.crash.outages import Outages
from tools.crash.plan import plan_appends
from tools.crash.verdict import Left, Verdict, judge
from tools.crash.watching import Watch, environment
from tools.history import write_history
from tools.stack.stack import Stack

SERVICE = "killed"
FEWEST_COPIES, KILLS_PER_COPY, HISTORY_COPIES = 6, 6, 30
FIRST_SHARE = 5
ARRIVES_WITHIN_S = 180.0


@dataclass
class Outcome:
    """What happened and what it led to."""

    seed: int
    seconds: float = 0
    lives: Lives = field(default_factory=Lives)
    outages: int = 0
    appends: int = 0
    lines: int = 0
    verdict: Verdict = field(default_factory=Verdict)
    differences: list[str] = field(default_factory=list)
    """All there are; empty where nothing was lost or doubled."""


def run(stack: Stack, folder: Path, *, kill_count: int, seed: int, arrivals: Path) -> Outcome:
    """Kill a watch so many times while sessions grow and the collector comes and goes; judge what is left of it all.

    Before that, first looks at a history are killed a fifth as often. Everything is written below ``folder``;
    ``arrivals`` is where the collector notes spans. The same seed gives the same sessions, moments and pauses.
    """
    outcome = Outcome(seed)
    home, data, log = folder / "home", folder / "data", folder / "watch.log"
    started_s = time.monotonic()
    write_history(home / "projects", until=datetime.now(UTC) - timedelta(hours=2), days=2, copies=HISTORY_COPIES)
    first_kills = kill_count // FIRST_SHARE
    outcome.differences = interrupted_first_looks(home, folder / "first", first_kills, Random(f"{seed} first"))
    copies = max(FEWEST_COPIES, kill_count // KILLS_PER_COPY)
    appends = plan_appends(folder / "originals", copies, datetime.now(UTC), Random(f"{seed} plan"))
    load = Load(appends, home / "projects", Random(f"{seed} load"))
    outcome.appends = len(appends)

    def start() -> Watch:
        return Watch(stack.collector_http, environment(home, data, SERVICE), log)

    with Outages(stack.servers["collector"], Random(f"{seed} outages")) as outages:
        outcome.lives = kills.live_and_die(kills.moments(kill_count, Random(f"{seed} kills")), start, load)
        load.finish()
    outcome.outages = outages.count
    outcome.lines = sum(path.read_bytes().count(b"\n") for path in (home / "projects").rglob("*.jsonl"))
    outcome.differences += outcome.lives.accidents + _catch_up(start(), data / FILE_NAME, home / "projects")
    outcome.verdict = judge(Left(home, data, SERVICE, arrivals), stack, folder / "undisturbed")
    outcome.differences += outcome.verdict.differences
    outcome.seconds = time.monotonic() - started_s
    shutil.rmtree(folder / "originals")
    return outcome


def _catch_up(watch: Watch, index: Path, transcripts: Path) -> list[str]:
    """Let a last life do all that is left and end it; return what went wrong, in words."""
    if not watch.wait_until_ready():
        watch.kill()
        return [f"the last life did not get ready: {watch.said()}"]
    left = wait_for_arrival(index, transcripts, ARRIVES_WITHIN_S, lambda: not watch.has_ended)
    if watch.has_ended:
        return [*left, f"the last life ended by itself: {watch.said()}"]
    code = watch.end()
    return left if code == 0 else [*left, f"the last life ended with {code}, not 0: {watch.said()}"]
