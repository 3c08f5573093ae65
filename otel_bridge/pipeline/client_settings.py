"""The client's variables in settings files on the disk (I/O)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from difflib import unified_diff
from pathlib import Path, PurePosixPath, PureWindowsPath

from msgspec import Struct

from otel_bridge.client_env.settings_text import (
    Made,
    changed_since,
    find_note,
    with_variables,
    without_variables,
)
from otel_bridge.errors import UsageError
from otel_bridge.json_text import is_blank
from otel_bridge.pipeline.settings_file import SettingsFile, explained

_MANAGED_FOLDERS = {
    "darwin": PurePosixPath("/Library/Application Support/ClaudeCode"),
    "win32": PureWindowsPath(r"C:\Program Files\ClaudeCode"),
}
_MANAGED_NAME = "managed-settings.json"


class Change(Struct, frozen=True):
    """What was, or would be, done to a settings file."""

    before: str
    after: str
    kept: tuple[str, ...] = ()
    """Variables of ours that somebody changed since: theirs now."""

    @property
    def is_none(self) -> bool:
        """True where nothing was to be done."""
        return self.before == self.after

    def diff(self, path: Path) -> str:
        """Return the lines that change and none beside them: settings hold secrets."""
        lines = unified_diff(_lines(self.before), _lines(self.after), str(path), str(path), n=0)
        return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def managed_settings_path(platform: str = sys.platform) -> Path:
    """Return the file whose settings an administrator puts above those of users."""
    return Path(_MANAGED_FOLDERS.get(platform, PurePosixPath("/etc/claude-code"))) / _MANAGED_NAME


def refuse_project_settings(path: Path, user_settings: Path, home: Path | None) -> None:
    """Refuse a settings file of a repository.

    Raises:
        UsageError: it is one; the sentence says why that would be of no use.
    """
    own = {user_settings.resolve(), *([home.resolve() / ".claude" / "settings.json"] if home else [])}
    target = path.resolve()
    is_project = target.parent.name == ".claude" and target.name == "settings.json" and target not in own
    if is_project or target.name == "settings.local.json":
        raise UsageError(
            f"{path} belongs to a project, and a repository cannot enable telemetry: Claude Code ignores these"
            " variables there. Use --write user, --write managed, or a file for --settings"
        )


def write_variables(path: Path, variables: Mapping[str, str], *, is_dry: bool = False) -> Change:
    """Put variables into a settings file, which is made where there is none. Nothing else in it changes.

    Raises:
        BridgeError: the file cannot be read or written, or is no settings file; it is as it was.
    """
    with explained(path):
        settings = SettingsFile(path)
        text = with_variables(settings.text, variables, made=_made(settings))
        if text != settings.text and not is_dry:
            settings.write(text)
        return Change(settings.text, text)


def remove_variables(path: Path, *, is_dry: bool = False) -> Change:
    """Take our variables out again, and the file and folder that were made for them; what they replaced comes back.

    Raises:
        BridgeError: the file cannot be read or written, or is no settings file; it is as it was.
    """
    with explained(path):
        settings = SettingsFile(path)
        note = find_note(settings.text)
        if note is None:
            return Change(settings.text, settings.text)
        change = Change(settings.text, without_variables(settings.text), tuple(changed_since(settings.text)))
        if is_dry:
            return change
        if is_blank(change.after) and note.made >= Made.FILE:
            settings.remove(with_folder=note.made == Made.FOLDER)
        else:
            settings.write(change.after)
        return change


def _made(settings: SettingsFile) -> Made:
    """Return what must be made for variables in a file without any text."""
    if settings.exists:
        return Made.DOCUMENT
    return Made.FILE if settings.has_folder else Made.FOLDER


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)
