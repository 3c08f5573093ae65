"""What is in the index, and whether it is sound (I/O)."""

from __future__ import annotations

from decimal import Decimal
from sqlite3 import Connection

from msgspec import Struct

from otel_bridge.pipeline.checks import FAILED, OK, WARNING, Check
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.pipeline.index.plan import DATA_VERSION
from otel_bridge.sources.transcript.growth import Checkpoint, begins_as_read
from otel_bridge.store.cells import from_pusd
from otel_bridge.store.files import StoredFile, all_files
from otel_bridge.store.ledger import pending_sessions
from otel_bridge.store.pruning import used_bytes


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


def check_index(place: IndexPlace) -> list[Check]:
    """Look at the file's structure, at the words of the search, and whether transcripts are those that were read."""
    return [_structure(place), _words(place), _transcripts(place), _settled(place)]


def _structure(place: IndexPlace) -> Check:
    found = [row[0] for row in place.connection.execute("PRAGMA integrity_check(5)")]
    if found == ["ok"]:
        return Check("structure", OK, f"{place.path} is sound")
    advice = "run `otel-bridge sync`: it sets the file aside and makes it anew"
    return Check("structure", FAILED, "; ".join(map(str, found)), advice)


def _words(place: IndexPlace) -> Check:
    missing = "SELECT count(*) FROM texts WHERE id NOT IN (SELECT id FROM texts_fts_docsize)"
    count = _number(place.connection, missing)
    if not count:
        return Check("search", OK, "every text can be found")
    return Check("search", FAILED, f"{count:,} texts cannot be found", "remove the index and run `otel-bridge sync`")


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
