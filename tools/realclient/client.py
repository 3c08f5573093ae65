"""Runs of the client: prompts in, results out, over the streams by which programs drive it (I/O)."""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tools.realclient.errors import ClientError
from tools.realclient.scenario import Run, Saying

_RUN_WITHIN_S = 60.0
_LAST_WORDS = 2_000
_TOOLS = "Agent,Bash,Edit,Glob,Grep,Read,Task,Write"
"""What it may do without asking: the scenario says what it will do."""

_QUIET = {
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_TELEMETRY": "1",
}
"""What it would look for on the network; there is none."""


class Client:
    """A client with a home and a project of its own that takes a scripted API for the real one.

    ``logs`` gets what each run says of troubles: ``NAME.stderr``.
    """

    def __init__(
        self, command: Sequence[str], *, home: Path, project: Path, logs: Path, path: str, api_url: str
    ) -> None:
        self._command = tuple(command)
        self._project = project
        self._logs = logs
        self._environment = {
            "HOME": str(home),
            "TMPDIR": str(home / "tmp"),
            "CLAUDE_CODE_TMPDIR": str(home / "tmp"),
            "PATH": path,
            "ANTHROPIC_BASE_URL": api_url,
            "ANTHROPIC_API_KEY": "scripted",
            **_QUIET,
        }
        self._sessions: dict[str, str] = {}

    def run(self, run: Run) -> None:
        """Say what a run says, one prompt after the results of the other, and wait for the end of the process.

        Raises:
            ClientError: it ends in failure, before everything is said, or not within a minute.
        """
        with self._process(run) as (said, heard):
            for saying in run.say:
                said.write(json.dumps(_spoken(saying)) + "\n")
                said.flush()
                for _ in range(0 if saying.wants_title else saying.results):
                    self._sessions[run.name] = _next_result(heard)
                time.sleep(saying.pause_s)
            said.close()
            heard.read()

    @contextmanager
    def _process(self, run: Run) -> Iterator[tuple[IO[str], IO[str]]]:
        """Start the client and yield its ends; what goes wrong is told with its last words."""
        errors = self._logs / f"{run.name}.stderr"
        with errors.open("wb") as stderr:
            process = subprocess.Popen(
                self._arguments(run),
                cwd=self._project,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        watchdog = threading.Timer(_RUN_WITHIN_S, process.kill)
        watchdog.start()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            yield process.stdin, process.stdout
            if process.wait():
                raise ClientError(f"ended with {process.returncode}")
        except (ClientError, BrokenPipeError) as error:
            last_words = errors.read_text(encoding="utf-8", errors="replace").strip()[-_LAST_WORDS:]
            raise ClientError(f"run {run.name} of the client: {error}; it said {last_words or 'nothing'}") from None
        finally:
            watchdog.cancel()
            process.kill()
            process.wait()

    def _arguments(self, run: Run) -> list[str]:
        arguments = [*self._command, "--print", "--verbose", "--model", run.model]
        arguments += ["--input-format", "stream-json", "--output-format", "stream-json"]
        arguments += ["--permission-mode", "acceptEdits", "--allowedTools", _TOOLS]
        if run.resumes is not None:
            arguments += ["--resume", self._sessions[run.resumes]]
        if run.forks is not None:
            arguments += ["--resume", self._sessions[run.forks], "--fork-session"]
        return arguments


def _spoken(saying: Saying) -> dict[str, Any]:
    """Return a prompt as the client reads it."""
    if saying.wants_title:
        request = {"subtype": "generate_session_title", "description": saying.prompt, "persist": False}
        return {"type": "control_request", "request_id": "title", "request": request}
    return {"type": "user", "message": {"role": "user", "content": saying.prompt}}


def _next_result(heard: IO[str]) -> str:
    """Return the id of the session whose next result is heard."""
    for line in heard:
        event = json.loads(line)
        if event["type"] == "result":
            if event["is_error"]:
                raise ClientError(f"reports a failure, {event.get('result', line)}")
            return str(event["session_id"])
    raise ClientError(f"ended before it answered, or took more than {_RUN_WITHIN_S:.0f} s")
