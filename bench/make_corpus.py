"""Write a corpus of made-up transcripts of any size, and what a correct count of it gives.

    python -m bench.make_corpus FOLDER [--mib 100] [--seed 1]

FOLDER/projects has sessions with sub-agents, forks that copy a history under a new session id, streamed responses
whose first lines have placeholder counts, and cache writes of both lifetimes. FOLDER/truth.json has the exact totals.
The same size and seed always give the same bytes; an existing corpus of that size and seed is left as it is.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

VERSION = 1
BYTES_PER_SESSION = 2 << 20
FORK_EVERY, AGENT_EVERY = 7, 40
"""Every so many sessions one is forked, every so many calls one starts a sub-agent."""
KINDS = ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")
PRICES = {
    "claude-sonnet-4-5-20250929": ("3", "15", "0.3", "3.75", "6"),
    "claude-opus-4-5-20251101": ("5", "25", "0.5", "6.25", "10"),
    "claude-haiku-4-5-20251001": ("1", "5", "0.1", "1.25", "2"),
}
"""USD per million tokens, in the order of ``KINDS``: written down here once more, so that the check is independent."""
WORDS = """
answer branch buffer cache call cell client count delta edge error event field file frame graph grid index item label
layer limit line link list lock match meter model node offset order page parse path phase plan point queue range read
record reply route row scope shape size slice slot sort span split stack state step store stream table task test text
timer token trace tree type unit value view wait width window write zone α → é 項目 ✓
"""

Line = dict[str, Any]


class Response(NamedTuple):
    """One model response: what every line of it repeats."""

    id: str
    request_id: str
    model: str
    usage: dict[str, int]


class Truth:
    """The totals a count must reach: each response once, at its own list price."""

    def __init__(self) -> None:
        self.tokens: dict[str, Counter[str]] = {model: Counter() for model in PRICES}
        self.counts: Counter[str] = Counter()

    def add(self, response: Response) -> None:
        self.counts["calls"] += 1
        self.tokens[response.model].update(response.usage)

    def report(self) -> dict[str, Any]:
        total: Counter[str] = sum(self.tokens.values(), Counter())
        cost = sum(
            (
                Decimal(price) * self.tokens[model][kind]
                for model, row in PRICES.items()
                for kind, price in zip(KINDS, row, strict=True)
            ),
            Decimal(0),
        )
        return {**self.counts, **{f"{kind}_tokens": total[kind] for kind in KINDS}, "cost_usd": f"{cost / 1_000_000:f}"}


class Writer:
    """Makes the lines of one session after the other."""

    def __init__(self, seed: int, truth: Truth) -> None:
        self._random = random.Random(seed)
        self._truth = truth
        self._pool = " ".join(self._random.choices(WORDS.split(), k=400_000))
        self._now = datetime(2026, 6, 1, tzinfo=UTC)

    def session(self, projects: Path, number: int, size_bytes: int) -> None:
        """Write a session of about so many bytes, its sub-agents and sometimes a fork of it."""
        session_id, folder = self._uuid(), projects / f"-home-dev-project-{number % 12}"
        folder.mkdir(parents=True, exist_ok=True)
        common = {"isSidechain": False, "cwd": f"/home/dev/project-{number % 12}", "gitBranch": "main"}
        common |= {"sessionId": session_id, "version": "2.1.240", "userType": "external", "entrypoint": "cli"}
        model = self._random.choices(list(PRICES), weights=(6, 3, 1))[0]
        lines: list[bytes] = [self._queued(session_id)]
        written = agents = calls = 0
        while written < size_bytes:
            start = len(lines)
            if calls % 20 == 0:
                lines.append(self._line(common, self._prompt()))
            tool_id = self._call(common, model, lines)
            if calls % AGENT_EVERY == AGENT_EVERY - 1:
                agents += 1
                self._agent(folder / session_id / "subagents", common, agents)
            lines.append(self._line(common, self._result(tool_id)))
            calls += 1
            written += sum(map(len, lines[start:]))
        self._save(folder / f"{session_id}.jsonl", lines)
        if number % FORK_EVERY == FORK_EVERY - 1:
            self._fork(folder, common, lines)

    def _fork(self, folder: Path, common: Line, lines: list[bytes]) -> None:
        """Copy half of a history as clients do: every id kept but the session's; then go on differently."""
        origin, fork_id = common["sessionId"], self._uuid()
        half = [line for line in lines[: len(lines) // 2] if b'"queue-operation"' not in line]
        copied = [line.replace(origin.encode(), fork_id.encode()) for line in half]
        own: list[bytes] = [self._queued(fork_id)]
        self._call(common | {"sessionId": fork_id}, "claude-opus-4-5-20251101", own)
        self._truth.counts["forks"] += 1
        self._save(folder / f"{fork_id}.jsonl", [own[0], *copied, *own[1:]])

    def _agent(self, folder: Path, common: Line, number: int) -> None:
        agent_id = f"a{number:04x}{self._random.getrandbits(48):012x}"
        common = common | {"isSidechain": True, "agentId": agent_id}
        lines = [self._line(common, self._prompt())]
        for _ in range(6):
            lines.append(self._line(common, self._result(self._call(common, "claude-haiku-4-5-20251001", lines))))
        folder.mkdir(parents=True, exist_ok=True)
        self._truth.counts["agents"] += 1
        self._save(folder / f"agent-{agent_id}.jsonl", lines)

    def _call(self, common: Line, model: str, lines: list[bytes]) -> str:
        """Add a response of two or three lines, the first ones with placeholder counts half of the time."""
        response = self._response(model)
        tool_id = f"toolu_{self._hex(24)}"
        blocks: list[Line] = [{"type": "text", "text": self._text(120)}]
        if self._random.random() < 0.4:
            blocks.insert(0, {"type": "thinking", "thinking": "", "signature": self._hex(400)})
        blocks.append({"type": "tool_use", "id": tool_id, "name": "Bash", "input": {"command": self._text(60)}})
        is_streamed = self._random.random() < 0.5
        for block in blocks:
            is_final = block is blocks[-1] or not is_streamed
            message = {"id": response.id, "type": "message", "role": "assistant", "model": model, "content": [block]}
            message |= {"stop_reason": "tool_use" if is_final else None, "usage": wire_usage(response.usage, is_final)}
            lines.append(
                self._line(common, {"type": "assistant", "requestId": response.request_id, "message": message})
            )
        self._truth.add(response)
        return tool_id

    def _response(self, model: str) -> Response:
        number = self._random.randrange
        writes = number(200, 6_000)
        hour = writes if number(3) == 0 else 0
        usage = {"input": number(1, 60), "output": number(30, 1_500), "cache_read": number(10_000, 150_000)}
        usage |= {"cache_write_5m": writes - hour, "cache_write_1h": hour}
        return Response(f"msg_{self._hex(24)}", f"req_{self._hex(24)}", model, usage)

    def _prompt(self) -> Line:
        return {"type": "user", "promptId": self._uuid(), "message": {"role": "user", "content": self._text(200)}}

    def _result(self, tool_id: str) -> Line:
        self._truth.counts["tool_calls"] += 1
        text = self._text(min(60_000, int(self._random.lognormvariate(8, 1.3))))
        content = {"tool_use_id": tool_id, "type": "tool_result", "content": text, "is_error": False}
        result = {"stdout": text, "stderr": "", "interrupted": False}
        return {"type": "user", "message": {"role": "user", "content": [content]}, "toolUseResult": result}

    def _queued(self, session_id: str) -> bytes:
        return to_json(
            {"type": "queue-operation", "operation": "enqueue", "timestamp": self._time(), "sessionId": session_id}
        )

    def _line(self, common: Line, own: Line) -> bytes:
        return to_json({"parentUuid": None, **common, **own, "uuid": self._uuid(), "timestamp": self._time()})

    def _save(self, path: Path, lines: list[bytes]) -> None:
        path.write_bytes(b"".join(lines))
        self._truth.counts["files"] += 1
        self._truth.counts["lines"] += len(lines)

    def _time(self) -> str:
        self._now += timedelta(milliseconds=self._random.randrange(200, 4_000))
        return f"{self._now:%Y-%m-%dT%H:%M:%S}.{self._now.microsecond // 1000:03d}Z"

    def _text(self, length: int) -> str:
        start = self._random.randrange(len(self._pool) - length)
        return self._pool[start : start + length]

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _hex(self, digits: int) -> str:
        return f"{self._random.getrandbits(digits * 4):0{digits}x}"


def wire_usage(usage: dict[str, int], is_final: bool) -> Line:
    """Return usage as a line has it: the prompt is known from the start, the output only at the end."""
    writes = {f"ephemeral_{life}_input_tokens": usage[f"cache_write_{life}"] for life in ("5m", "1h")}
    return {
        "input_tokens": usage["input"],
        "cache_creation_input_tokens": sum(writes.values()),
        "cache_read_input_tokens": usage["cache_read"],
        "cache_creation": writes,
        "output_tokens": usage["output"] if is_final else min(usage["output"], 8),
        "service_tier": "standard",
    }


def to_json(line: Line) -> bytes:
    return json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def make_corpus(folder: Path, mib: int, seed: int) -> dict[str, Any]:
    """Write the corpus and return its truth."""
    truth = Truth()
    writer = Writer(seed, truth)
    for number, size_bytes in enumerate(session_sizes(mib << 20, seed)):
        writer.session(folder / "projects", number, size_bytes)
    return {"made": {"version": VERSION, "mib": mib, "seed": seed}, **truth.report()}


def session_sizes(total: int, seed: int) -> Iterator[int]:
    """Yield sizes of main files, small and large, until forks and agents included about ``total`` bytes are reached."""
    sizes = random.Random(f"sizes {seed}")
    left = total / 1.1
    while left > 0:
        size = min(left, BYTES_PER_SESSION * sizes.uniform(0.2, 1.8))
        yield int(size)
        left -= size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--mib", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    path = options.folder / "truth.json"
    wanted = {"version": VERSION, "mib": options.mib, "seed": options.seed}
    if path.exists() and json.loads(path.read_bytes())["made"] == wanted:
        sys.stdout.write(f"{options.folder} is there already\n")
        return
    if options.folder.exists() and any(options.folder.iterdir()):
        sys.exit(f"{options.folder} holds something else; give an empty folder")
    truth = make_corpus(options.folder, options.mib, options.seed)
    path.write_text(json.dumps(truth, indent=1) + "\n")
    sys.stdout.write(f"{options.folder}: {truth['files']:,} files, {truth['calls']:,} calls, {truth['cost_usd']} USD\n")


if __name__ == "__main__":
    main()
