from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from otel_bridge.hooks.command import hook_command

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the hook is a line of POSIX sh")

COMMAND = hook_command(["otel-bridge"], "docs/metrics", opt_in=False)
SHELLS = [shell for shell in ("sh", "dash", "bash") if shutil.which(shell)]
CPU_LIMIT_S = 0.05
SLOW_S = 30


class Program:
    """A program `otel-bridge` that notes its arguments and process ids and then works slowly."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "bin"
        self._notes, self._pids = folder / "arguments", folder / "pids"
        self.folder.mkdir()
        path = self.folder / "otel-bridge"
        path.write_text(
            f'#!/bin/sh\nprintf "%s\\n" "$@" > "{self._notes}"\necho $$ >> "{self._pids}"\n'
            f"echo noise; echo noise >&2\nexec sleep {SLOW_S}\n"
        )
        path.chmod(0o755)

    def pids(self, count: int = 1) -> list[int]:
        """Return the processes as soon as there are so many."""
        deadline = time.monotonic() + 20
        while not self._pids.exists() or len(self._pids.read_text().splitlines()) < count:
            assert time.monotonic() < deadline, "the background part never began"
            time.sleep(0.01)
        return [int(pid) for pid in self._pids.read_text().split()]

    def arguments(self) -> list[str]:
        """Return what it was called with."""
        self.pids()
        return self._notes.read_text().splitlines()

    def end(self) -> None:
        """End all of its processes."""
        for pid in self.pids(0) if self._pids.exists() else []:
            os.kill(pid, 9)


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    """Return the slow program, which ends with the test."""
    slow = Program(tmp_path)
    yield slow
    slow.end()


def start(
    command: str, cwd: Path, program: Program | None = None, *, shell: str = "sh", **env: str
) -> subprocess.Popen[bytes]:
    """Start a hook as the client does: by a shell, with pipes to all sides."""
    path = f"{program.folder}:{os.defpath}" if program else os.defpath
    arguments = [shutil.which(shell) or shell, "-c", command]
    pipe = subprocess.PIPE
    return subprocess.Popen(arguments, cwd=cwd, env={"PATH": path, **env}, stdin=pipe, stdout=pipe, stderr=pipe)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_foreground_costs_next_to_nothing(program: Program, tmp_path: Path, shell: str) -> None:
    """CPU time of the shell and all it waited for, user and system, as the kernel counts it: at most 50 ms."""
    for count in range(1, 6):
        with start(COMMAND, tmp_path, program, shell=shell) as hook:
            _, status, usage = os.wait4(hook.pid, 0)
            hook.returncode = os.waitstatus_to_exitcode(status)
        assert hook.returncode == 0
        assert usage.ru_utime + usage.ru_stime <= CPU_LIMIT_S
        program.pids(count)


@pytest.mark.parametrize("shell", SHELLS)
def test_the_client_waits_for_nothing(program: Program, tmp_path: Path, shell: str) -> None:
    """While the slow part runs in the background, the hook is over, its pipes are closed, and nothing was printed."""
    began = time.monotonic()
    with start(COMMAND, tmp_path, program, shell=shell) as hook:
        out, err = hook.communicate(b'{"hook_event_name":"Stop"}\n', timeout=SLOW_S)
    took_s = time.monotonic() - began
    assert (hook.returncode, out, err) == (0, b"", b"")
    assert took_s < SLOW_S / 10
    (pid,) = program.pids()
    os.kill(pid, 0)  # it is there
    assert os.getsid(pid) != os.getsid(0) or shutil.which("setsid") is None


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    "before", ["", "PATH=/nonexistent; ", "exec <&-; ", "exec <&- >&- 2>&-; ", "exec </dev/null; "]
)
def test_it_succeeds_without_the_program(tmp_path: Path, shell: str, before: str) -> None:
    """Uninstalled, no PATH at all, nothing to read from or write to: exit code 0 and not a word."""
    with start(before + COMMAND, tmp_path, shell=shell) as hook:
        out, err = hook.communicate(timeout=SLOW_S)
    assert (hook.returncode, out, err) == (0, b"", b"")


def test_what_the_client_writes_is_read(program: Program, tmp_path: Path) -> None:
    """A client that writes a megabyte when the hook is long over never sees a broken pipe."""
    with start(COMMAND, tmp_path, program) as hook:
        assert hook.stdin is not None
        assert hook.wait(timeout=SLOW_S) == 0
        assert hook.stdin.write(b"x" * 1_000_000) == 1_000_000
        hook.stdin.close()


def test_the_project_is_the_one_the_client_names(program: Program, tmp_path: Path) -> None:
    """Names with spaces and quotes arrive as they are."""
    odd = "/src/a 'quoted' $HOME \"name\""
    command = hook_command(["otel-bridge"], "my metrics", opt_in=True)
    with start(command, tmp_path, program, CLAUDE_PROJECT_DIR=odd):
        assert program.arguments() == ["hook", "run", "--project", odd, "--metrics-dir", "my metrics", "--opt-in"]


def test_without_a_variable_the_project_is_the_folder(program: Program, tmp_path: Path) -> None:
    """Clients before 1.0.58 set none."""
    with start(COMMAND, tmp_path, program):
        assert program.arguments()[2:4] == ["--project", "."]


def test_a_program_may_be_several_words() -> None:
    """Where the command is not on the PATH, the interpreter is named, spaces and all."""
    command = hook_command(["/opt/my python", "-m", "otel_bridge"], "m", opt_in=False)
    assert "'/opt/my python' -m otel_bridge hook run" in command
    assert "\n" not in command
