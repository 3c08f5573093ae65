"""Time and memory of ``otel-bridge stats --json``, beside ``ccusage`` where it is installed, over one corpus.

    python -m bench.stats_vs_peers CORPUS [--ccusage PATH] [--rounds 5]

CORPUS is a folder made by ``bench.make_corpus`` (or any with ``projects/``). After a warm-up the programs run by turns,
start-up included; memory is that of all their processes together, taken in a round of its own. Totals are checked
against CORPUS/truth.json where that is one of ours.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

POLL_S = 0.01
TOKENS = ("input", "output", "cache_read", "cache_write")
Totals = dict[str, Decimal]


class Contender(NamedTuple):
    """A program, and how to read totals from what it prints."""

    name: str
    command: list[str]
    totals: Callable[[dict[str, Any]], Totals]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--ccusage", default="", metavar="PATH", help="its executable; without it we run alone")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    contenders = [ours(options.corpus)]
    if options.ccusage:
        contenders.append(ccusage(options.ccusage))
    else:
        print("ccusage is not installed or not named by --ccusage: no comparison")
    env = os.environ | {"CLAUDE_CONFIG_DIR": str(options.corpus.resolve())}
    outputs = {contender.name: json.loads(run(contender, env)) for contender in contenders}
    times: dict[str, list[float]] = {contender.name: [] for contender in contenders}
    for number in range(options.rounds):
        for contender in contenders if number % 2 == 0 else reversed(contenders):
            started = time.perf_counter()
            run(contender, env)
            times[contender.name].append(time.perf_counter() - started)
    print_table(options.corpus, contenders, times, {c.name: peak_mib(c, env) for c in contenders})
    truth = read_truth(options.corpus / "truth.json")
    is_right = True
    for contender in contenders:
        if truth is not None:
            is_right &= (
                print_check(contender, contender.totals(outputs[contender.name]), truth) or contender != contenders[0]
            )
    sys.exit(not is_right)


def ours(corpus: Path) -> Contender:
    command = [str(Path(sys.executable).with_name("otel-bridge")), "stats", "--json", str(corpus / "projects")]

    def totals(output: dict[str, Any]) -> Totals:
        found = output["totals"]
        tokens = {kind: Decimal(found[f"{kind}_tokens"]) for kind in TOKENS}
        return tokens | {"calls": Decimal(found["calls"]), "cost_usd": Decimal(found["cost_usd"])}

    return Contender("otel-bridge", command, totals)


def ccusage(executable: str) -> Contender:
    def totals(output: dict[str, Any]) -> Totals:
        names = {"input": "input", "output": "output", "cache_read": "cacheRead", "cache_write": "cacheCreation"}
        found = output["totals"]
        tokens = {kind: Decimal(found[f"{name}Tokens"]) for kind, name in names.items()}
        return tokens | {"cost_usd": Decimal(str(found["totalCost"]))}

    return Contender("ccusage", [executable, "claude", "session", "--offline", "--json"], totals)


def run(contender: Contender, env: dict[str, str]) -> bytes:
    return subprocess.run(
        contender.command, env=env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=True
    ).stdout


def peak_mib(contender: Contender, env: dict[str, str]) -> float | None:
    """Return the largest sum of resident memory over the program's processes, ``None`` where /proc does not tell."""
    if not Path("/proc/self/statm").exists():
        return None
    peak = 0
    with subprocess.Popen(contender.command, env=env, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL) as process:
        while process.poll() is None:
            peak = max(peak, sum(map(resident_bytes, family(process.pid))))
            time.sleep(POLL_S)
    return peak / (1 << 20)


def family(pid: int) -> list[int]:
    """Return a process and all its descendants; those that end meanwhile are left out."""
    members = [pid]
    for member in members:
        for children in Path(f"/proc/{member}/task").glob("*/children"):
            try:
                members += map(int, children.read_text().split())
            except OSError:
                continue
    return members


def resident_bytes(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


def print_table(
    corpus: Path, contenders: list[Contender], times: dict[str, list[float]], peaks: dict[str, float | None]
) -> None:
    size = sum(path.stat().st_size for path in corpus.rglob("*.jsonl")) / (1 << 20)
    rounds = len(times[contenders[0].name])
    print(f"{corpus}: {size:,.0f} MiB, {rounds} rounds by turns after a warm-up")
    print(f"{'':<14}{'median s':>10}{'least s':>10}{'MiB/s':>10}{'peak MiB':>10}")
    for name, seconds in times.items():
        median, peak = statistics.median(seconds), peaks[name]
        shown = "-" if peak is None else f"{peak:,.0f}"
        print(f"{name:<14}{median:>10.3f}{min(seconds):>10.3f}{size / median:>10,.0f}{shown:>10}")
    for peer in contenders[1:]:
        ratios = [mine / other for mine, other in zip(times[contenders[0].name], times[peer.name], strict=True)]
        listed = " ".join(f"{ratio:.2f}" for ratio in ratios)
        print(f"time against {peer.name}, round by round: {listed}; median {statistics.median(ratios):.2f}")


def read_truth(path: Path) -> Totals | None:
    """Return the totals of a corpus of ours, ``None`` for any other."""
    truth = json.loads(path.read_bytes()) if path.exists() else {}
    if "made" not in truth:
        print("no truth.json of bench.make_corpus: totals are not checked")
        return None
    writes = truth["cache_write_5m_tokens"] + truth["cache_write_1h_tokens"]
    tokens = {kind: Decimal(truth[f"{kind}_tokens"]) for kind in TOKENS if kind != "cache_write"}
    return tokens | {
        "cache_write": Decimal(writes),
        "calls": Decimal(truth["calls"]),
        "cost_usd": Decimal(truth["cost_usd"]),
    }


def print_check(contender: Contender, found: Totals, truth: Totals) -> bool:
    """Print where totals differ from the truth; floats may be off by less than a hundredth of a cent."""
    wrong = [
        f"{name} {count:f} instead of {truth[name]:f}"
        for name, count in found.items()
        if abs(count - truth[name]) >= (Decimal("0.0001") if name == "cost_usd" else 1)
    ]
    print(f"{contender.name}: {'; '.join(wrong) if wrong else 'all totals are right'}")
    return not wrong


if __name__ == "__main__":
    main()
