"""The index as a run has it open (I/O)."""

from __future__ import annotations

import os
from pathlib import Path
from sqlite3 import Connection

from otel_bridge.sources.transcript.assemble.extract import FileExtract
from otel_bridge.sources.transcript.assemble.packing import unpack
from otel_bridge.store.database import open_reader
from otel_bridge.store.files import read_chunks
from otel_bridge.store.lock import WriterLock


class IndexPlace:
    """An open index and where it lies. A connection that lives through a fork is nobody's: a child opens its own."""

    def __init__(self, path: Path, connection: Connection, lock: WriterLock | None = None) -> None:
        self.path = path
        self.lock = lock
        """The right to write it, where that was taken."""
        self._connection = connection
        self._process = os.getpid()
        self._identity = _identity(path)

    @property
    def is_gone(self) -> bool:
        """True where another file, or none, stands by now where the index was opened."""
        return self._identity is not None and _identity(self.path) != self._identity

    @property
    def connection(self) -> Connection:
        """The connection of this process; a reader's in a forked one."""
        if self._process != os.getpid():
            self._connection, self._process = open_reader(self.path), os.getpid()
        return self._connection

    def stretches(self, file_id: int) -> list[FileExtract]:
        """Return what the lines of a stored file said, stretch by stretch."""
        return [unpack(data) for data in read_chunks(self.connection, file_id, with_tail=False)]


def _identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a file, ``None`` if it is not there."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
