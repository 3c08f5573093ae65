from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.cli.invoke import Invoke


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, invoke: Invoke, tmp_path: Path) -> Path:
    """Return the user's settings file, which is not there yet, on a laptop."""
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "home"))
    for name in ("CI", "KUBERNETES_SERVICE_HOST", "CLAUDE_CODE_REMOTE"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path / "home" / "settings.json"


def test_they_are_printed_with_their_reasons(invoke: Invoke, settings: Path) -> None:
    """To be evaluated by a shell; nothing is written."""
    done = invoke("env")
    assert done.code == 0
    assert "\nexport OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318\n" in done.out
    assert done.out.startswith("# ")
    assert not settings.parent.exists()


@pytest.mark.parametrize(("name", "place"), [("CI", "ci"), ("KUBERNETES_SERVICE_HOST", "pod"), ("NOTHING", "laptop")])
def test_where_it_runs_is_found_out(
    invoke: Invoke, settings: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: str
) -> None:
    """By what such places set; what is printed for this machine is for its shell."""
    monkeypatch.setenv(name, "1")
    printed = invoke("env", "--json").json
    assert printed["place"] == place
    assert {"name", "value", "why"} == set(printed["variables"][0])
    assert printed["left_out"]
    assert "export " in invoke("env").out


def test_for_a_pod_there_is_yaml(invoke: Invoke, settings: Path) -> None:
    """Who asks for a pod by name writes a manifest."""
    assert invoke("env", "--for", "pod").out.startswith("env:\n")
    assert "export " in invoke("env", "--for", "pod", "--format", "shell").out


def test_writing_and_removing(invoke: Invoke, settings: Path) -> None:
    """Both say what they did; other settings stay, what was replaced comes back, to the byte."""
    settings.parent.mkdir()
    before = '{"env":{"OTEL_LOGS_EXPORTER":"console"},"model":"opus"}'
    settings.write_text(before)
    assert invoke("env", "--write", "user").out == f"{settings}: the variables are put in\n"
    env = json.loads(settings.read_text())["env"]
    assert (env["OTEL_LOGS_EXPORTER"], env["CLAUDE_CODE_ENABLE_TELEMETRY"]) == ("otlp", "1")
    assert invoke("env", "--write", "user").out == f"{settings}: nothing was to be done\n"
    settings.write_text(settings.read_text().replace('"opus"', '"sonnet"'))
    assert invoke("env", "--remove").out == f"{settings}: the variables are taken out\n"
    assert settings.read_text() == before.replace('"opus"', '"sonnet"')
    assert invoke("env", "--remove", "user").out == f"{settings}: nothing was to be done\n"


def test_what_was_not_there_is_gone_again(invoke: Invoke, settings: Path) -> None:
    """File and folder; scripts get that as an object."""
    done = invoke("env", "--write", "user", "--json")
    assert done.json == {"path": str(settings), "is_changed": True, "is_dry_run": False, "kept": []}
    assert invoke("env", "--remove", "user", "--json").json["is_changed"] is True
    assert not settings.parent.exists()


def test_a_dry_run_shows_and_does_nothing(invoke: Invoke, settings: Path) -> None:
    """Lines that would come, and lines that would go."""
    shown = invoke("env", "--write", "user", "--dry-run").out
    assert '+    "CLAUDE_CODE_ENABLE_TELEMETRY": "1",' in shown
    assert not settings.parent.exists()
    invoke("env", "--write", "user")
    assert '-    "CLAUDE_CODE_ENABLE_TELEMETRY": "1",' in invoke("env", "--remove", "--dry-run").out
    assert settings.exists()


def test_a_value_of_ours_that_was_changed_stays(invoke: Invoke, settings: Path) -> None:
    """It is somebody's now, and that is said."""
    invoke("env", "--write", "user")
    settings.write_text(settings.read_text().replace("127.0.0.1", "collector"))
    done = invoke("env", "--remove")
    assert "OTEL_EXPORTER_OTLP_ENDPOINT was changed since it was put in" in done.err
    assert json.loads(settings.read_text()) == {"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}}


def test_any_settings_file_can_be_named(invoke: Invoke, settings: Path, tmp_path: Path) -> None:
    """Such as one for the client's --settings; the rest of the options decide what is in it."""
    path = tmp_path / "ci.json"
    invoke("env", "--write", path, "--for", "ci", "--no-traces", "--endpoint", "https://c.example:4317")
    env = json.loads(path.read_text())["env"]
    assert (env["OTEL_TRACES_EXPORTER"], env["OTEL_EXPORTER_OTLP_PROTOCOL"]) == ("none", "grpc")
    invoke("env", "--remove", path)
    assert not path.exists()


def test_managed_settings_lie_where_the_system_has_them(
    invoke: Invoke, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The administrator's file, by its name alone."""
    managed = tmp_path / "etc" / "managed-settings.json"
    monkeypatch.setattr("otel_bridge.cli.env.managed_settings_path", lambda: managed)
    assert invoke("env", "--write", "managed").out == f"{managed}: the variables are put in\n"
    assert invoke("env", "--remove", "managed").code == 0
    assert not managed.parent.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--write", ".claude/settings.json"], "a repository cannot enable telemetry"),
        (["--write", ".claude/settings.local.json"], "a repository cannot enable telemetry"),
        (["--remove", ".claude/settings.json"], "a repository cannot enable telemetry"),
        (["--write", "user", "--remove", "user"], "give one of them"),
        (["--write", "user", "--format", "json"], "a format of its own"),
        (["--dry-run"], "goes with --write or --remove"),
        (["--endpoint", "localhost:4318"], "no scheme http:// or https://"),
        (["--write", "broken.json"], "broken.json: Expecting"),
        (["--write", "no/such/folder/settings.json"], "nothing was changed"),
    ],
)
def test_what_cannot_be_is_a_sentence(
    invoke: Invoke, settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    """Nothing is printed or written, and the sentence says what to do."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.json").write_text("{")
    done = invoke("env", *arguments)
    assert (done.code, done.out) == (2, "")
    assert words in done.err
    assert not (tmp_path / ".claude").exists()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="nothing keeps this user from writing")
def test_a_folder_that_cannot_be_written_is_said(invoke: Invoke, settings: Path) -> None:
    """The file is as it was."""
    settings.parent.mkdir()
    settings.write_text("{}")
    settings.parent.chmod(0o500)
    done = invoke("env", "--write", "user")
    settings.parent.chmod(0o700)
    assert done.code in (1, 2)
    assert settings.read_text() == "{}"


def test_a_port_of_the_other_protocol_is_doubted(invoke: Invoke, settings: Path) -> None:
    """On stderr: what is printed is still to be used."""
    done = invoke("env", "--endpoint", "http://h:4318", "--protocol", "grpc")
    assert "warning: http://h:4318 with grpc" in done.err
    assert done.code == 0
