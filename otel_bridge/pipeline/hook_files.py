"""The Stop hook in a settings file on the disk (I/O)."""

from __future__ import annotations

from pathlib import Path

from otel_bridge.hooks.settings_text import InstalledHook, Made, installed_hooks, with_hook, without_hooks
from otel_bridge.json_text import is_blank
from otel_bridge.pipeline.settings_file import SettingsFile, explained


def find_hooks(path: Path) -> list[InstalledHook]:
    """Return our hooks in a settings file; none if there is no such file.

    Raises:
        UsageError: it cannot be read, or is no settings file.
    """
    with explained(path):
        return installed_hooks(SettingsFile(path).text)


def install_hook(path: Path, command: str) -> bool:
    """Put a Stop hook into a settings file, which is made where there is none; False if the file has it already.

    Raises:
        BridgeError: the file cannot be read or written, or is no settings file; it is as it was.
    """
    with explained(path):
        settings = SettingsFile(path)
        text = with_hook(settings.text, command, made=_made(settings))
        if text == settings.text:
            return False
        settings.write(text)
        return True


def uninstall_hook(path: Path) -> bool:
    """Take our hooks out again, and the file and folder that were made for them; False if there are none.

    Raises:
        BridgeError: the file cannot be read or written, or is no settings file; it is as it was.
    """
    with explained(path):
        settings = SettingsFile(path)
        hooks = installed_hooks(settings.text)
        if not hooks:
            return False
        text, made = without_hooks(settings.text), max(hook.made for hook in hooks)
        if not is_blank(text) or made < Made.FILE:
            settings.write(text)
            return True
        settings.remove(with_folder=made is Made.FOLDER)
        return True


def _made(settings: SettingsFile) -> Made:
    """Return what must be made for a hook in a file without any text."""
    if settings.exists:
        return Made.DOCUMENT
    return Made.FILE if settings.has_folder else Made.FOLDER
