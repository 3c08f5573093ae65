"""Time and memory of the index over one corpus: first index, warm pass, one appended line, search, a watched line.

    python -m bench.index_speed CORPUS [--agentsview PATH] [--rounds 3]

CORPUS is a folder made by ``bench.make_corpus`` (or any with ``projects/``); it is copied by links, and only a copy of
its largest transcript is written to. ``--agentsview`` names a peer's executable, which is timed by turns with ours: its
first index and its pass over what has not changed. The receiver of the watched line answers at once.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.otlp_server import RecordingServer

OURS = str(Path(sys.executable).with_name("otel-bridge"))
LINES = 20
"""Lines appended one after the other; the median counts."""

WORDS = ("test", "error", "config server", "src/test", "nothingofthekind")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--agentsview", default="", metavar="PATH", help="its executable; without it we run alone")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="index-speed-") as folder:
        home = linked_copy(options.corpus, Path(folder) / "home")
        env = os.environ | {"CLAUDE_CONFIG_DIR": str(home), "OTEL_BRIDGE_DATA_DIR": str(Path(folder) / "ours")}
        env = {name: value for name, value in env.items() if not name.startswith("OTEL_EXPORTER")}
        first_and_warm(env, Path(folder), options.agentsview, options.rounds)
        searches(env)
        grown = largest(home)
        appended(env, grown)
        watched(env, grown)


def linked_copy(corpus: Path, home: Path) -> Path:
    """Link all transcripts into a folder of ours; the largest one is copied, to be written to."""
    shutil.copytree(corpus.resolve() / "projects", home / "projects", copy_function=os.link)
    target = largest(home)
    data = target.read_bytes()
    target.unlink()
    target.write_bytes(data)
    return home


def largest(home: Path) -> Path:
    mains = (path for path in (home / "projects").rglob("*.jsonl") if not path.name.startswith("agent-"))
    return max(mains, key=lambda path: path.stat().st_size)


def first_and_warm(env: dict[str, str], folder: Path, agentsview: str, rounds: int) -> None:
    ours = {"otel-bridge": (lambda: sync(env), folder / "ours")}
    peers: dict[str, tuple[Callable[[], object], Path]] = dict(ours)
    if agentsview:
        theirs = env | {"AGENTSVIEW_DATA_DIR": str(folder / "theirs"), "AGENT_VIEWER_DATA_DIR": str(folder / "theirs")}
        command = [agentsview, "sync"]
        peers["agentsview"] = (
            lambda: subprocess.run(command, env=theirs, capture_output=True, check=True),
            folder / "theirs",
        )
    else:
        print("agentsview is not named by --agentsview: no comparison")
    first: dict[str, list[float]] = {name: [] for name in peers}
    warm: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(rounds):
        for name, (run, data) in peers.items():
            shutil.rmtree(data, ignore_errors=True)
            first[name].append(seconds(run))
            warm[name].append(seconds(run))
    for title, times in (("first index", first), ("warm pass", warm)):
        for name, values in times.items():
            ratio = f"  ratio {statistics.median(times['otel-bridge']) / statistics.median(values):.3f}"
            print(f"{title:<16}{name:<14}{spread(values)}{ratio if len(peers) > 1 else ''}")
    report = sync(env)
    print(
        f"{'':<16}warm: {report['files']:,} files, {report['files_read']} read, {report['rows_written']} rows written"
    )


def searches(env: dict[str, str]) -> None:
    for words in WORDS:
        times, hits = [], 0
        for _ in range(5):
            started = time.perf_counter()
            found = subprocess.run(
                [OURS, "search", "--no-sync", "--json", words], env=env, capture_output=True, check=True
            )
            times.append(time.perf_counter() - started)
            hits = len(json.loads(found.stdout))
        print(f"{'search':<16}{words:<18}{spread(times)}  {hits} shown")


def appended(env: dict[str, str], transcript: Path) -> None:
    times = []
    for number in range(LINES):
        append_turn(transcript, number, whole=False)
        started = time.perf_counter()
        report = sync(env)
        times.append(time.perf_counter() - started)
        assert (report["files_read"], report["lines_read"]) == (1, 1), report
    print(f"{'appended line':<16}{'sync, one-shot':<18}{spread(times)}  {report['rows_written']} rows written")


def watched(env: dict[str, str], transcript: Path) -> None:
    with RecordingServer("http/protobuf") as server, watching(env, server.endpoint) as watcher:
        wait_until(lambda: len(server.span_ids()) > 0 and is_quiet(server), 600)
        print(f"{'watch, idle':<16}{'memory':<18}{resident_mib(watcher.pid):.0f} MiB")
        times = []
        for number in range(LINES):
            known = len(server.span_ids())
            started = time.perf_counter()
            append_turn(transcript, 1000 + number, whole=True)
            wait_for_spans(server, known)
            times.append(time.perf_counter() - started)
        print(f"{'watched line':<16}{'to its spans':<18}{spread(times)}")
        print(f"{'watch, after':<16}{'memory':<18}{resident_mib(watcher.pid):.0f} MiB")


@contextmanager
def watching(env: dict[str, str], endpoint: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [OURS, "watch", "--endpoint", endpoint, "--only", "traces"]
    watcher = subprocess.Popen(command, env=env, stderr=subprocess.DEVNULL)
    try:
        yield watcher
    finally:
        watcher.send_signal(signal.SIGTERM)
        watcher.wait()


def append_turn(transcript: Path, number: int, *, whole: bool) -> None:
    """Append one line: a prompt, or a whole turn of a prompt and its answer."""
    session = UUID.findall(transcript.name)[-1]
    now = time.time()
    at = [time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now + second)) for second in (0, 1)]
    common = {"sessionId": session, "cwd": "/home/dev/bench", "version": "2.1.329", "isSidechain": False}
    prompt = {**common, "type": "user", "uuid": f"bench-{number}-a", "timestamp": at[0], "promptId": f"bench-{number}"}
    prompt["message"] = {"role": "user", "content": f"Measure {number}"}
    usage = {"input_tokens": 3, "output_tokens": 50, "cache_read_input_tokens": 100, "cache_creation_input_tokens": 0}
    answer = {**common, "type": "assistant", "uuid": f"bench-{number}-b", "timestamp": at[1], "requestId": f"r{number}"}
    answer["message"] = {
        "id": f"msg_bench_{number}", "role": "assistant", "model": "claude-sonnet-4-5-20250929", "usage": usage,
        "stop_reason": "end_turn", "type": "message", "content": [{"type": "text", "text": "Done."}],
    }  # fmt: skip
    with transcript.open("a", encoding="utf-8") as file:
        file.write("".join(json.dumps(line) + "\n" for line in ([prompt, answer] if whole else [prompt])))


def wait_for_spans(server: RecordingServer, known: int) -> None:
    wait_until(lambda: len(server.span_ids()) > known, 30)


def is_quiet(server: RecordingServer) -> bool:
    known = len(server.span_ids())
    time.sleep(1.5)
    return len(server.span_ids()) == known


def sync(env: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run([OURS, "sync", "--json"], env=env, capture_output=True, check=True)
    report: dict[str, Any] = json.loads(done.stdout)
    return report


def seconds(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def spread(values: list[float]) -> str:
    return f"median {statistics.median(values):.3f} s ({min(values):.3f} to {max(values):.3f})"


def wait_until(is_so: Callable[[], bool], most_s: float) -> None:
    deadline = time.monotonic() + most_s
    while not is_so():
        assert time.monotonic() < deadline, "it took too long"
        time.sleep(0.005)


def resident_mib(process_id: int) -> float:
    status = Path(f"/proc/{process_id}/status").read_text(encoding="ascii")
    return int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0]) / 1024


if __name__ == "__main__":
    main()
