"""A settings file of a client on the disk: read as it is, written as a whole, removed again (I/O)."""

from __future__ import annotations

import codecs
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from stat import S_IMODE, S_ISREG

from otel_bridge.errors import UsageError
from otel_bridge.output import write_whole


class SettingsFile:
    """A settings file as it was found; links are followed."""

    def __init__(self, path: Path) -> None:
        self.path = _resolved(path)
        self.has_folder = True
        try:
            if not S_ISREG(self.path.stat().st_mode):
                raise OSError(errno.EINVAL, "not a regular file")
            data = self.path.read_bytes()
            self.exists = True
        except FileNotFoundError:
            data = b""
            self.exists = False
            self.has_folder = self.path.parent.exists()
        self._mark = codecs.BOM_UTF8 if data.startswith(codecs.BOM_UTF8) else b""
        self.text = data.removeprefix(self._mark).decode()

    def write(self, text: str) -> None:
        """Put a new text in the place of the old one, as a whole; the folder is made where there is none.

        The file keeps its permissions: settings may hold secrets. If it cannot be written all is as it was.
        """
        self._refuse_if_unwritable()
        if not self.has_folder:
            self.path.parent.mkdir()
        try:
            mode = S_IMODE(self.path.stat().st_mode) if self.exists else None
            write_whole(self.path, self._mark + text.encode(), mode=mode)
        except BaseException:
            if not self.has_folder:
                self._leave_folder()
            raise

    def remove(self, *, with_folder: bool) -> None:
        """Remove the file, and its folder if that is wanted and nobody keeps anything else there."""
        self._refuse_if_unwritable()
        self.path.unlink()
        if with_folder:
            self._leave_folder()

    def _refuse_if_unwritable(self) -> None:
        """Refuse what would need no permission of the file itself: another one in its place, or its removal."""
        if self.exists and not os.access(self.path, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    def _leave_folder(self) -> None:
        with suppress(OSError):
            self.path.parent.rmdir()


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except RuntimeError:  # a loop of links, up to Python 3.12
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from None


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say of what fails which file it was.

    Raises:
        UsageError: the file cannot be read or written, or is no settings file; it is as it was.
    """
    try:
        yield
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}; nothing was changed") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: {error}; nothing was changed: mend the file first") from None
