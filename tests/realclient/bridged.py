"""A real client that tells a running ``up`` what it does, and all that is left of it afterwards."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec import Struct

from otel_bridge.model import Session
from otel_bridge.pipeline.index.stored import StoredLibrary
from otel_bridge.reported import AUXILIARY, MAIN, SUBAGENT
from otel_bridge.store.database import FILE_NAME, open_reader
from tests.cli.commands import environment_of, run
from tests.realclient.obtained import client_in_isolation
from tools.realclient.door import way_in
from tools.realclient.messages import message_id, request_id
from tools.realclient.scenario import load_scenario
from tools.stack.servers import Server, free_port
from tools.stack.stack import Stack

CHECKOUT = Path(__file__).parents[2]
SCENARIO = CHECKOUT / "tools" / "realclient" / "asides.toml"
ASIDES = ("NAME-IT", "create a detailed summary of the conversation")
"""Exchanges of the scenario that are in no transcript: what the client asks for itself."""
OF_SUBAGENTS = ("COUNT-THE-LINES", "Warmup")
"""Prompts of sub-agents; 2.0.30 has two try themselves at the start."""
LEFT_EARLY = ("Files modified by user:", "Command: ")
"""What 2.0.30 asks for with a helper that takes the first block of an answer and leaves. What would count the answer
comes after its last block: such calls are in no event, no counter and no transcript of that client."""


class Answer(Struct, frozen=True):
    """A response of the scripted API, with what it bills for it."""

    message_id: str
    request_id: str
    model: str
    source: str
    """``main``, ``subagent`` or ``auxiliary``."""
    tokens: tuple[int, int, int, int, int]
    """Input, output, read from the cache, written to it for five minutes and for an hour."""
    is_streamed: bool


class Bridged:
    """A running ``up`` with folders and ports of its own, and a client that knows it by ``otel-bridge env`` alone."""

    def __init__(self, stack: Stack, folder: Path, version: str, protocol: str) -> None:
        self._version, self._protocol = version, protocol
        self._machine = folder / "machine"
        self.config = self._machine / "home" / ".claude"
        (self.config / "projects").mkdir(parents=True)
        self._index = folder / "data" / FILE_NAME
        grpc_port, http_port, own_port = free_port(), free_port(), free_port()
        self._port = grpc_port if protocol == "grpc" else http_port
        options = ["--grpc", f"127.0.0.1:{grpc_port}", "--http", f"127.0.0.1:{http_port}"]
        options += ["--listen", f"127.0.0.1:{own_port}", "--endpoint", stack.collector_http]
        command = [sys.executable, "-m", "otel_bridge", "up", *options]
        environment = environment_of(self.config, folder / "data")
        self._up = Server("up", command, folder, f"http://127.0.0.1:{own_port}/healthz", environment)

    def __enter__(self) -> Self:
        self._up.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._up.stop()

    def play(self) -> None:
        """Let the client play the scenario and exit."""
        to = ("--endpoint", f"http://127.0.0.1:{self._port}", "--protocol", self._protocol)
        done = run("env", "--for", "ci", *to, "--write", "user", home=self.config)
        assert done.returncode == 0, done.stderr
        with way_in(self._port) as door:
            inside = ["-m", "tools.realclient.inside", "--door", f"{self._port}={door}", self._machine, SCENARIO]
            command = client_in_isolation(self._version, sys.executable, *map(str, inside))
            done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=100, check=False)
        assert done.returncode == 0, done.stderr

    def complaints(self) -> str:
        """Return what the client said of exports that failed, or of anything else."""
        return "".join(path.read_text(encoding="utf-8") for path in (self._machine / "log").glob("*.stderr"))

    def session(self) -> Session | None:
        """Return the session as the index has it now."""
        with closing(open_reader(self._index)) as connection:
            sessions = list(StoredLibrary(connection, now_ns=time.time_ns()))
        assert len(sessions) <= 1
        return sessions[0] if sessions else None

    def answers(self) -> Iterator[Answer]:
        """Yield what the API answered, but for what the client does not count itself."""
        scenario = load_scenario(SCENARIO, self._machine)
        asides = {exchange.replies[0].text for exchange in scenario.exchanges if exchange.prompt in ASIDES}
        lines = (self._machine / "log" / "requests.jsonl").read_text(encoding="utf-8").splitlines()
        for line in map(json.loads, lines):
            asked = _texts(line["request"]["messages"][0])
            if line["billed"] and not asked.startswith(LEFT_EARLY):
                source = SUBAGENT if any(prompt in asked for prompt in OF_SUBAGENTS) else MAIN
                yield _answer(line, AUXILIARY if line["reply"] in asides else source)


def _answer(line: dict[str, Any], source: str) -> Answer:
    number, billed = line["number"], line["billed"]
    prompt = (billed["input"], billed["output"], billed["cache_read"])
    tokens = (*prompt, billed["cache_write_5m"], billed["cache_write_1h"])
    is_streamed = bool(line["request"].get("stream"))
    return Answer(message_id(number), request_id(number), billed["model"], source, tokens, is_streamed)


def _texts(message: dict[str, Any]) -> str:
    content = message["content"]
    return content if isinstance(content, str) else "".join(block.get("text", "") for block in content)
