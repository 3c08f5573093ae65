"""The Stop hook in a settings file on the disk (I/O)."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE

from otel_bridge.errors import UsageError
from otel_bridge.hooks.settings_text import InstalledHook, Made, installed_hooks, is_blank, with_hook, without_hooks
from otel_bridge.output import write_whole


def find_hooks(path: Path) -> list[InstalledHook]:
    """Return our hooks in a settings file; none if there is no such file.

    Raises:
        UsageError: it cannot be read, or is no settings file.
    """
    with _explained(path):
        return installed_hooks(_Settings(path).text)


def install_hook(path: Path, command: str) -> bool:
    """Put a Stop hook into a settings file, which is made where there is none; False if the file has it already.

    Raises:
        BridgeError: the file cannot be read or written, or is no settings file; it is as it was.
    """
    with _explained(path):
        settings = _Settings(path)
        text = with_hook(settings.text, command, made=settings.made)
        if text == settings.text:
            return False
        try:
            settings.write(text)
        except BaseException:
            settings.leave_folder(settings.made)
            raise
        return True


def uninstall_hook(path: Path) -> bool:
    """Take our hooks out again, and the file and folder that were made for them; False if there are none.

    Raises:
        BridgeError: the file cannot be read or written, or is no settings file; it is as it was.
    """
    with _explained(path):
        settings = _Settings(path)
        hooks = installed_hooks(settings.text)
        if not hooks:
            return False
        text, made = without_hooks(settings.text), max(hook.made for hook in hooks)
        if not is_blank(text) or made < Made.FILE:
            settings.write(text)
            return True
        settings.path.unlink()
        settings.leave_folder(made)
        return True


class _Settings:
    """A settings file as it was found; links are followed."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.made = Made.DOCUMENT
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            data = b""
            self.made = Made.FILE if self.path.parent.exists() else Made.FOLDER
        self._mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
        self.text = data.removeprefix(self._mark).decode()

    def write(self, text: str) -> None:
        """Put a new text in the place of the old one, as a whole; the folder is made where there is none."""
        if self.made is Made.FOLDER:
            self.path.parent.mkdir()
        write_whole(self.path, self._mark + text.encode(), mode=self._mode())

    def _mode(self) -> int | None:
        """Return the permissions the file has, if there is one: settings may hold secrets."""
        return S_IMODE(self.path.stat().st_mode) if self.made is Made.DOCUMENT else None

    def leave_folder(self, made: Made) -> None:
        """Remove the folder if we made it and nobody keeps anything else there."""
        if made is Made.FOLDER:
            with suppress(OSError):
                self.path.parent.rmdir()


@contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; nothing was changed") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}; nothing was changed: mend the file first") from None
