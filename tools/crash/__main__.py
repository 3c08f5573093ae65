"""Kill `otel-bridge watch` at random moments under a real append load, then compare all it left with a fresh run.

    python -m tools.crash [--kills 200] [--seed N] [--folder .cache/crash]

Starts collector, Prometheus and a trace store on loopback. Ends with 1 where anything was lost, doubled or differs; the
folder then stays for inspection.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from pathlib import Path

from tools.crash.arrivals import note_arrivals
from tools.crash.run import Outcome, run
from tools.stack.programs import ProgramMissingError
from tools.stack.stack import Stack


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tools.crash", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--folder", type=Path, default=Path(".cache/crash"))
    options = parser.parse_args()
    folder = options.folder.resolve() / str(options.seed)
    shutil.rmtree(folder, ignore_errors=True)
    print(f"{options.kills} kills with seed {options.seed} in {folder}", flush=True)
    try:
        stack = Stack(folder / "stack", tempo=os.environ.get("OTEL_BRIDGE_TEMPO"))
        arrivals = note_arrivals(stack.servers["collector"], folder)
        with stack:
            outcome = run(stack, folder, kill_count=options.kills, seed=options.seed, arrivals=arrivals)
    except ProgramMissingError as error:
        sys.exit(f"error: {error}")
    print(summary(outcome))
    if not outcome.differences:
        shutil.rmtree(folder)
    return 1 if outcome.differences else 0


def summary(outcome: Outcome) -> str:
    """Return what happened and what it led to, for people."""
    lives, verdict = outcome.lives, outcome.verdict
    lines = [
        f"{lives.kills} kills ({lives.ready} after the first look), {outcome.outages} outages of the collector",
        f"{outcome.appends:,} appends, {outcome.lines:,} lines in all, {outcome.seconds:.0f} s",
        f"{verdict.sessions} sessions, {verdict.calls:,} calls, {verdict.cost_usd} USD",
        f"{verdict.spans:,} spans ({verdict.repeated_spans:,} came again, the same), {verdict.series:,} series",
    ]
    if not outcome.differences:
        return "\n".join([*lines, "nothing lost, nothing doubled"])
    told = [f"! {difference}" for difference in outcome.differences]
    return "\n".join([*lines, f"{len(told)} differences with seed {outcome.seed}:", *told])


if __name__ == "__main__":
    sys.exit(main())
