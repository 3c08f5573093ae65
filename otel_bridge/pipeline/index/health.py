"""What is in the index, and whether it is sound (I/O)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from sqlite3 import Connection, DatabaseError

from msgspec import Struct

from otel_bridge.errors import StoreError
from otel_bridge.pipeline.checks import FAILED, OK, WARNING, Check
from otel_bridge.pipeline.index.opening import is_damage, reading, unreadable_files
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.pipeline.index.plan import DATA_VERSION
from otel_bridge.sources.transcript.growth import Checkpoint, begins_as_read
from otel_bridge.store.cells import from_pusd
from otel_bridge.store.files import StoredFile, all_files
from otel_bridge.store.ledger import pending_sessions
from otel_bridge.store.pruning import used_bytes
from otel_bridge.store.soundness import structural_damage, word_damage


class TargetInfo(Struct):
    """A place that sessions were sent to."""

    place: str
    sent: int
    """Spans or events it has."""
    pending_sessions: int


class IndexInfo(Struct):
    """What ``db info`` says."""

    path: str
    size_bytes: int
    used_bytes: int
    schema_version: int
    data_version: int
    sessions: int
    calls: int
    cost_usd: Decimal
    files: int
    gone_files: int
    """Transcripts that are there no more: preserved only here."""
    transcript_bytes: int
    texts: int
    unsettled_sessions: int
    pruned_sessions: int
    pruned_cost_usd: Decimal
    targets: list[TargetInfo]


def index_info(place: IndexPlace) -> IndexInfo:
    """Return what is in the index."""
    connection = place.connection
    targets = connection.execute("SELECT id, place FROM targets ORDER BY place").fetchall()
    return IndexInfo(
        path=str(place.path),
        size_bytes=place.path.stat().st_size,
        used_bytes=used_bytes(connection),
        schema_version=_number(connection, "PRAGMA user_version"),
        data_version=DATA_VERSION,
        sessions=_number(connection, "SELECT count(*) FROM sessions"),
        calls=_number(connection, "SELECT total(calls) FROM sessions"),
        cost_usd=from_pusd(_number(connection, "SELECT sum(cost_pusd) FROM sessions")),
        files=_number(connection, "SELECT count(*) FROM files"),
        gone_files=_number(connection, "SELECT count(*) FROM files WHERE is_present = 0"),
        transcript_bytes=_number(connection, "SELECT sum(size_bytes) FROM files"),
        texts=_number(connection, "SELECT count(*) FROM texts"),
        unsettled_sessions=_number(connection, "SELECT count(*) FROM unsettled"),
        pruned_sessions=_number(connection, "SELECT count(*) FROM pruned"),
        pruned_cost_usd=from_pusd(_number(connection, "SELECT sum(cost_pusd) FROM pruned")),
        targets=[
            TargetInfo(
                name,
                _number(connection, "SELECT count(*) FROM sent WHERE target = ?", target),
                len(pending_sessions(connection, target)),
            )
            for target, name in targets
        ],
    )


def check_file(path: Path) -> list[Check]:
    """Look at an index as ``check_index`` does; one that cannot even be opened is a failed check.

    Raises:
        StoreError: there is none, or not of this version.
    """
    try:
        with reading(path) as place:
            return check_index(place)
    except (StoreError, DatabaseError) as error:
        cause = error if isinstance(error, DatabaseError) else error.__cause__
        if not isinstance(cause, DatabaseError) or (cause is not error and not is_damage(cause)):
            raise
        return [Check("structure", FAILED, f"{path}: {cause}", _REPAIR)]


def check_index(place: IndexPlace) -> list[Check]:
    """Look at the file's structure, the words of the search, extracts, transcripts, and what waits to be settled."""
    looks = {
        "structure": _structure, "search": _words, "extracts": _extracts, "transcripts": _transcripts,
        "sessions": _settled,
    }  # fmt: skip
    return [_looked(name, look, place) for name, look in looks.items()]


_REPAIR = "run `otel-bridge db repair`: it keeps what only the index has"


def _looked(name: str, look: Callable[[IndexPlace], Check], place: IndexPlace) -> Check:
    try:
        return look(place)
    except DatabaseError as error:
        return Check(name, FAILED, f"cannot be looked at: {error}", _REPAIR)


def _structure(place: IndexPlace) -> Check:
    found = structural_damage(place.connection)
    return Check("structure", FAILED, found, _REPAIR) if found else Check("structure", OK, f"{place.path} is sound")


def _words(place: IndexPlace) -> Check:
    found = word_damage(place.connection)
    return Check("search", FAILED, found, _REPAIR) if found else Check("search", OK, "every text can be found")


def _extracts(place: IndexPlace) -> Check:
    found = unreadable_files(place.connection)
    if not found:
        return Check("extracts", OK, "all can be read")
    first = f"of {len(found):,} transcripts they cannot be read, first {found[0].path}"
    if any(file.is_present for file in found):
        return Check("extracts", FAILED, first, _REPAIR)
    return Check("extracts", WARNING, f"{first}; these are gone, and rows are all there is of them")


def _transcripts(place: IndexPlace) -> Check:
    changed = [file for file in all_files(place.connection) if file.is_present and not _is_as_read(file)]
    if not changed:
        return Check("transcripts", OK, "all begin as they were read")
    first = f"{len(changed):,} are not as they were read, first {changed[0].path}"
    return Check("transcripts", WARNING, first, "run `otel-bridge sync`, which reads them again")


def _settled(place: IndexPlace) -> Check:
    waiting = _number(place.connection, "SELECT count(*) FROM unsettled")
    if not waiting:
        return Check("sessions", OK, "all rows say what their files do")
    return Check("sessions", WARNING, f"{waiting:,} wait for the next pass", "run `otel-bridge sync`")


def _is_as_read(file: StoredFile) -> bool:
    try:
        with open(file.path, "rb") as stream:  # noqa: PTH123 - paths are strings
            return begins_as_read(stream, Checkpoint(file.offset_bytes, file.lines, file.crc))
    except OSError:
        return False


def _number(connection: Connection, question: str, *values: int) -> int:
    return int(connection.execute(question, values).fetchone()[0] or 0)
