from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from otel_bridge import __version__
from otel_bridge.cli import COMMANDS
from tests.cli.commands import run
from tests.cli.invoke import Invoke
from tests.transcripts import SID, prompt, response, session_file


def test_help_lists_every_command(invoke: Invoke) -> None:
    """The first screen says what it is, what there is to do, and how to begin."""
    done = invoke("--help")
    assert all(f"{name} " in done.out and words in done.out for name, words in COMMANDS.items())
    assert "Example: otel-bridge stats" in done.out
    assert invoke("-h").out == done.out


def test_version_is_told(invoke: Invoke) -> None:
    """One line for a bug report."""
    assert invoke("--version").out == f"otel-bridge {__version__}\n"


def test_help_loads_nothing_it_does_not_need() -> None:
    """Neither readers nor terminals nor network code: help answers at once."""
    code = (
        "import sys; from otel_bridge.cli import main; sys.argv[1:] = ['-h']\ntry: main()\nfinally: print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert not loaded & {
        "rich",
        "msgspec",
        "grpc",
        "httpx2",
        "genai_prices",
        "otel_bridge.sources",
        "otel_bridge.prices",
    }


@pytest.mark.parametrize(
    "arguments", [[], ["stats", "--nonsense"], ["show"], ["export", "--protocol", "carrier-pigeon"]]
)
def test_wrong_use_ends_with_two(invoke: Invoke, arguments: list[str]) -> None:
    """Missing or wrong options end with code 2, with words on stderr only."""
    done = invoke(*arguments)
    assert (done.code, bool(done.err)) == (2, True)
    assert "Traceback" not in done.err


@pytest.mark.parametrize("seconds", ["nan", "inf", "-inf", "-1", "1e99", "soon"])
@pytest.mark.parametrize(
    "arguments",
    [
        ["sync", "--give-up"],
        ["sync", "--wait"],
        ["export", "--give-up"],
        ["watch", "--look-every"],
        ["up", "--look-every"],
        ["hook", "run", "--settle"],
    ],
)
def test_seconds_are_a_number_to_wait_for(invoke: Invoke, arguments: list[str], seconds: str) -> None:
    """What is none, or has no end, is refused before anything is done; the sentence names option and value."""
    done = invoke(*arguments, seconds)
    assert (done.code, done.out) == (2, "")
    assert all(words in done.err for words in (arguments[-1], seconds.removesuffix("e99")))


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    """`| head` closes the pipe: no traceback, and nothing on stderr."""
    for n in range(400):
        session_file(tmp_path, f"{n:08x}{SID[8:]}", prompt(), response(f"msg_{n}"))
    command = [sys.executable, "-m", "otel_bridge", "stats", str(tmp_path), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode in (0, 1)


def test_a_command_can_be_interrupted(invoke: Invoke, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Ctrl-C ends with one word and the code shells expect."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    session_file(tmp_path, SID, prompt(), response())
    monkeypatch.setattr("otel_bridge.pipeline.stats.survey_sessions", interrupted)
    done = invoke("stats", tmp_path)
    assert (done.code, done.out) == (130, "")
    assert done.err.strip() == "interrupted"


def test_the_module_is_the_command() -> None:
    """`python -m otel_bridge` is `otel-bridge`."""
    assert run("--version").stdout == f"otel-bridge {__version__}\n"


def test_texts_of_any_language_are_printed_anywhere(tmp_path: Path) -> None:
    """A terminal that only knows ASCII gets JSON all the same."""
    session_file(tmp_path, SID, prompt(cwd="/home/Ünïcode/日本"), response())
    done = run("stats", tmp_path, "--json", PYTHONIOENCODING="ascii", LC_ALL="C")
    assert (done.returncode, "/home/Ünïcode/日本" in done.stdout) == (0, True)
