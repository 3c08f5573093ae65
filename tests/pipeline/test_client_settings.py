from __future__ import annotations

import codecs
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_bridge.errors import BridgeError, UsageError
from otel_bridge.pipeline.client_settings import (
    managed_settings_path,
    refuse_project_settings,
    remove_variables,
    write_variables,
)

OURS = {"CLAUDE_CODE_ENABLE_TELEMETRY": "1", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}
ODD = (
    b"{}",
    b"",
    b"\r\n",
    b'{"a": 1.0e5, "env": {"OTEL_EXPORTER_OTLP_ENDPOINT": 1.50}}',
    codecs.BOM_UTF8 + b'{\r\n\t"model": "opus",\r\n\t"env": { }\r\n}\r\n',
    '{\n    "env": {"CLAUDE_CODE_ENABLE_TELEMETRY":"žluťoučký" , "b" : "2"\t}\n}'.encode(),
    b'{"env": {"KEY": "\\ud83d", "OTEL_EXPORTER_OTLP_ENDPOINT": "\\u0041", "OTEL_EXPORTER_OTLP_ENDPOINT": "b"}}   ',
)


@pytest.mark.parametrize("data", ODD)
def test_a_file_is_restored_to_the_byte(tmp_path: Path, data: bytes) -> None:
    """Marks, newlines, spaces, numbers, doubled members, half characters: all as before."""
    path = tmp_path / "settings.json"
    path.write_bytes(data)
    assert not write_variables(path, OURS).is_none
    written = path.read_bytes()
    assert write_variables(path, OURS).is_none
    assert path.read_bytes() == written
    assert not remove_variables(path).is_none
    assert path.read_bytes() == data
    assert remove_variables(path).is_none


@given(data=st.binary(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_are_lost(tmp_path: Path, data: bytes) -> None:
    """Any bytes at all: refused and untouched, or written to and restored."""
    path = tmp_path / "settings.json"
    path.write_bytes(data)
    with suppress(UsageError):
        write_variables(path, OURS)
        remove_variables(path)
    assert path.read_bytes() == data


def test_what_was_made_is_removed(tmp_path: Path) -> None:
    """A file that was not there, and the folder around it; also after other variables took the place of the first."""
    path = tmp_path / ".claude" / "settings.json"
    assert remove_variables(path).is_none
    write_variables(path, OURS)
    write_variables(path, OURS | {"OTEL_LOGS_EXPORTER": "otlp"})
    remove_variables(path)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_touches_nothing(tmp_path: Path) -> None:
    """The lines that would change are told, those beside them not: they may be secrets."""
    path = tmp_path / "settings.json"
    path.write_text('{\n  "env": {\n    "ANTHROPIC_API_KEY": "secret",\n    "A": "1"\n  }\n}\n')
    before = path.read_bytes()
    diff = write_variables(path, {"B": "2"}, is_dry=True).diff(path)
    assert '+    "B": "2",' in diff
    assert "secret" not in diff
    assert path.read_bytes() == before
    write_variables(path, {"B": "2"})
    assert '-    "B": "2",' in remove_variables(path, is_dry=True).diff(path)
    assert remove_variables(tmp_path / "none" / "settings.json", is_dry=True).is_none
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"a": 1} // note', b"\xff\xfe{", b'{"env": []}', b"[" * 9999])
def test_a_broken_file_is_left_alone(tmp_path: Path, data: bytes) -> None:
    """The sentence names the file; no byte changes."""
    path = tmp_path / "settings.json"
    path.write_bytes(data)
    for attempt in (lambda: write_variables(path, OURS), lambda: remove_variables(path)):
        with pytest.raises(UsageError, match=r"settings\.json: .*nothing was changed"):
            attempt()
    assert path.read_bytes() == data


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence, the file as it was, and no half file or new folder beside it."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "settings.json"
    path.write_text("{}")
    monkeypatch.setattr("os.fsync", full)
    for target in (path, tmp_path / ".claude" / "settings.json"):
        with pytest.raises(BridgeError, match="cannot be written: No space left on device"):
            write_variables(target, OURS)
    assert path.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_must_not_be_written_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where its folder would let us put another one in its place."""
    path = tmp_path / "settings.json"
    write_variables(path, OURS)
    before = path.read_bytes()
    monkeypatch.setattr("os.access", lambda *_: False)
    for attempt in (lambda: write_variables(path, {"A": "1"}), lambda: remove_variables(path)):
        with pytest.raises(UsageError, match=r"settings\.json: Permission denied; nothing was changed"):
            attempt()
    assert path.read_bytes() == before


def test_settings_of_a_project_are_refused(tmp_path: Path) -> None:
    """A repository cannot enable telemetry; the user's own file is none of a repository, wherever it lies."""
    home, user = tmp_path / "home", tmp_path / "elsewhere" / ".claude" / "settings.json"
    for path in (tmp_path / "src" / ".claude" / "settings.json", home / ".claude" / "settings.local.json"):
        with pytest.raises(UsageError, match="a repository cannot enable telemetry"):
            refuse_project_settings(path, user, home)
    for path in (user, home / ".claude" / "settings.json", tmp_path / "ci.json"):
        refuse_project_settings(path, user, home)


@pytest.mark.parametrize(
    ("platform", "words"),
    [("linux", "/etc/claude-code"), ("darwin", "Application Support/ClaudeCode"), ("win32", "Program Files")],
)
def test_managed_settings_lie_where_the_client_looks(platform: str, words: str) -> None:
    """Each system has a folder of its own for them."""
    assert words in str(managed_settings_path(platform))
    assert managed_settings_path(platform).name.endswith("managed-settings.json")
