"""Work that many processes may ask for at once: one does it, and once more if it was asked for meanwhile (I/O)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from otel_bridge.file_lock import FileLock


class Errand:
    """A piece of work by the folder where it keeps its lock and what went wrong last."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._wanted = folder / "wanted"
        self._troubles = folder / "troubles"

    def run(self, work: Callable[[], str]) -> bool:
        """Do the work, which returns what went wrong; False if another process does it instead.

        Asking comes before the lock is tried, and whoever has had the lock looks again whether anybody asked meanwhile:
        nobody who asks is left without a run that began afterwards.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._wanted.touch()
        is_done = False
        while self._wanted.exists():
            with FileLock(self._folder / "lock") as lock:
                if not lock.acquire():
                    return is_done
                self._wanted.unlink(missing_ok=True)
                self._troubles.write_text(work(), encoding="utf-8")
                is_done = True
        return is_done

    def troubles(self) -> str:
        """Return what went wrong when the work was done last; nothing if nothing did, or it never was."""
        with suppress(FileNotFoundError):
            return self._troubles.read_text(encoding="utf-8")
        return ""
