from __future__ import annotations

import codecs
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from otel_bridge.errors import BridgeError, UsageError
from otel_bridge.pipeline.hook_files import find_hooks, install_hook, uninstall_hook

COMMAND = "run & exit 0"
ODD = (
    b"{}",
    b"",
    b"\r\n",
    b'{"a": 1.0e5}',
    codecs.BOM_UTF8 + b'{\r\n\t"model": "opus",\r\n\t"hooks": { }\r\n}\r\n',
    '{\n    "hooks": {"Stop": [{"hooks": [{"type": "prompt", "prompt": "žluťoučký"}]}]}\n}'.encode(),
    b'{"hooks": {"Stop": [], "Stop": [ ]}, "env": {"KEY": "\\ud83d"}}   ',
)


@pytest.mark.parametrize("data", ODD)
def test_a_file_is_restored_to_the_byte(tmp_path: Path, data: bytes) -> None:
    """Marks, newlines, spaces, doubled members, half characters: all as before; a second time nothing happens."""
    path = tmp_path / "settings.json"
    path.write_bytes(data)
    assert install_hook(path, COMMAND)
    assert [hook.command for hook in find_hooks(path)] == [COMMAND]
    installed = path.read_bytes()
    assert not install_hook(path, COMMAND)
    assert path.read_bytes() == installed
    assert uninstall_hook(path)
    assert path.read_bytes() == data
    assert not uninstall_hook(path)


@given(data=st.binary(max_size=40))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_are_lost(tmp_path: Path, data: bytes) -> None:
    """Any bytes at all: refused and untouched, or put in and restored."""
    path = tmp_path / "settings.json"
    path.write_bytes(data)
    with suppress(UsageError):
        install_hook(path, COMMAND)
        uninstall_hook(path)
    assert path.read_bytes() == data


def test_what_was_made_is_removed(tmp_path: Path) -> None:
    """A file that was not there, and the folder around it."""
    path = tmp_path / ".claude" / "settings.json"
    assert find_hooks(path) == []
    assert not uninstall_hook(path)
    assert install_hook(path, COMMAND)
    assert install_hook(path, COMMAND + " # changed")
    assert uninstall_hook(path)
    assert list(tmp_path.iterdir()) == []


def test_what_others_made_stays(tmp_path: Path) -> None:
    """A folder that has other files, or was there before; a file that got other settings."""
    path = tmp_path / ".claude" / "settings.json"
    path.parent.mkdir()
    install_hook(path, COMMAND)
    uninstall_hook(path)
    assert path.parent.is_dir()
    assert not path.exists()
    path.parent.rmdir()
    install_hook(path, COMMAND)
    (path.parent / "agents").mkdir()
    path.write_text(path.read_text().replace('"hooks": {\n    "Stop"', '"model": "opus",\n  "hooks": {\n    "Stop"'))
    uninstall_hook(path)
    assert path.read_text() == '{\n  "model": "opus"\n}\n'
    assert (path.parent / "agents").is_dir()


def test_permissions_and_links_are_kept(tmp_path: Path) -> None:
    """A link stays a link to the same file, and secrets stay as private as they were."""
    real, link = tmp_path / "dotfiles.json", tmp_path / "settings.json"
    real.write_text("{}")
    real.chmod(0o600)
    link.symlink_to(real.name)
    install_hook(link, COMMAND)
    assert link.readlink() == Path(real.name)
    assert (real.stat().st_mode & 0o777, len(find_hooks(real))) == (0o600, 1)
    uninstall_hook(link)
    assert (real.read_text(), real.stat().st_mode & 0o777) == ("{}", 0o600)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["dotfiles.json", "settings.json"]


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"a": 1} // note', b"\xff\xfe{", b'{"hooks": []}', b"[" * 9999])
def test_a_broken_file_is_left_alone(tmp_path: Path, data: bytes) -> None:
    """The sentence names the file; no byte changes, also when asked to find or to take out."""
    path = tmp_path / "settings.json"
    path.write_bytes(data)
    for attempt in (lambda: install_hook(path, COMMAND), lambda: uninstall_hook(path), lambda: find_hooks(path)):
        with pytest.raises(UsageError, match=r"settings\.json: .*nothing was changed"):
            attempt()
    assert path.read_bytes() == data
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence, the file as it was, and no half file or new folder beside it."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "settings.json"
    path.write_text("{}")
    monkeypatch.setattr("os.fsync", full)
    for target in (path, tmp_path / ".claude" / "settings.json"):
        with pytest.raises(BridgeError, match="cannot be written: No space left on device"):
            install_hook(target, COMMAND)
    assert path.read_text() == "{}"
    assert list(tmp_path.iterdir()) == [path]


def test_a_place_that_cannot_be_is_said(tmp_path: Path) -> None:
    """No folder to make one in, or a file where a folder should be."""
    with pytest.raises(UsageError, match="No such file or directory; nothing was changed"):
        install_hook(tmp_path / "no" / "such" / "settings.json", COMMAND)
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="Not a directory"):
        install_hook(tmp_path / "file" / "settings.json", COMMAND)
