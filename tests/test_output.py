from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from otel_bridge.errors import WriteError
from otel_bridge.output import open_output, write_whole


def mode_of(path: Path) -> int:
    """Return the permissions of a file."""
    return stat.S_IMODE(path.stat().st_mode)


def test_nobody_sees_half_a_file(tmp_path: Path) -> None:
    """The old bytes are there until all new ones are; afterwards nothing lies beside them."""
    path = tmp_path / "report.json"
    path.write_bytes(b"old")
    output = open_output(path)
    output.write(b"ne")
    assert path.read_bytes() == b"old"
    output.write(b"w")
    output.publish()
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o666])
def test_a_file_has_the_permissions_asked_for(tmp_path: Path, mode: int) -> None:
    """Whatever the process gives new files, and whoever may look: while it is written, nobody has more than that."""
    before = os.umask(0o077)
    try:
        output = open_output(tmp_path / "settings.json", mode=mode)
        (partial,) = tmp_path.iterdir()
        assert mode_of(partial) == mode
        output.publish()
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "settings.json") == mode


def test_without_permissions_a_file_is_like_any_new_one(tmp_path: Path) -> None:
    """Those of the process."""
    before = os.umask(0o027)
    try:
        write_whole(tmp_path / "report.json", b"{}")
    finally:
        os.umask(before)
    assert mode_of(tmp_path / "report.json") == 0o640


def test_what_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sentence with the file and the reason, exit code 1, and no half file."""

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "report.json"
    path.write_bytes(b"old")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(WriteError, match=r"report\.json cannot be written: No space left on device") as caught:
        write_whole(path, b"new", mode=0o600)
    assert caught.value.exit_code == 1
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("target", ["no/such/folder/report.json", "."])
def test_a_place_that_cannot_be_written_is_named(target: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As it was given."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WriteError, match=rf"^{target} cannot be written: (No such file|Is a directory)"):
        write_whole(Path(target), b"", mode=0o600)
