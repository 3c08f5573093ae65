"""What each target has been sent (I/O). The caller owns the transaction."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterable, Mapping
from sqlite3 import Connection

import msgspec
from msgspec import Struct

from otel_bridge.telemetry import AttributeValue

_MOST_PARAMETERS = 500


class SentSeries(Struct, array_like=True):
    """How far a series was sent."""

    at_ms: int
    start_ms: int = 0
    metric: str = ""
    """Its name; empty where an older version noted it, which kept no more than the fingerprint."""
    attributes: dict[str, AttributeValue] = {}
    value: str = ""
    """What it had come to by then, in words."""


Series = dict[int, SentSeries]
"""The series of a session, by their fingerprints."""

_decode_series = msgspec.msgpack.Decoder(dict[int, int | SentSeries]).decode
_encode_series = msgspec.msgpack.Encoder().encode
_PACKED = b"x"
"""What zlib begins with, and MessagePack's maps do not."""


def target_id(connection: Connection, place: str) -> int:
    """Return the number of a target, a new one if it is new."""
    connection.execute("INSERT OR IGNORE INTO targets (place) VALUES (?)", (place,))
    found: int = connection.execute("SELECT id FROM targets WHERE place = ?", (place,)).fetchone()[0]
    return found


def known_target(connection: Connection, place: str) -> int | None:
    """Return the number of a target, ``None`` if nothing was ever sent there."""
    found = connection.execute("SELECT id FROM targets WHERE place = ?", (place,)).fetchone()
    return found[0] if found else None


def sent_keys(connection: Connection, target: int, keys: Collection[bytes]) -> set[bytes]:
    """Return those of some ids that the target was sent."""
    wanted = list(keys)
    found: set[bytes] = set()
    for start in range(0, len(wanted), _MOST_PARAMETERS):
        part = wanted[start : start + _MOST_PARAMETERS]
        marks = ", ".join("?" * len(part))
        rows = connection.execute(f"SELECT key FROM sent WHERE target = ? AND key IN ({marks})", (target, *part))
        found.update(key for (key,) in rows)
    return found


def note_sent(connection: Connection, target: int, keys: Iterable[bytes]) -> None:
    """Note that a target has taken, or refused for good, what has these ids."""
    connection.executemany("INSERT OR IGNORE INTO sent (target, key) VALUES (?, ?)", [(target, key) for key in keys])


def shipped_revision(connection: Connection, target: int, session_id: str) -> int | None:
    """Return the revision of a session a target has all of, ``None`` if of none."""
    found = connection.execute(
        "SELECT revision FROM shipped WHERE target = ? AND session_id = ?", (target, session_id)
    ).fetchone()
    return found[0] if found else None


def shipped_series(connection: Connection, target: int, session_id: str) -> Series:
    """Return how far the series of a session have been sent; none where that cannot be read: points may come twice."""
    found = connection.execute(
        "SELECT series FROM shipped WHERE target = ? AND session_id = ?", (target, session_id)
    ).fetchone()
    if not found:
        return {}
    try:
        noted = _decode_series(zlib.decompress(found[0]) if found[0][:1] == _PACKED else found[0])
    except (msgspec.MsgspecError, zlib.error):
        return {}
    return {name: SentSeries(one) if isinstance(one, int) else one for name, one in noted.items()}


def note_shipped(connection: Connection, target: int, session_id: str, revision: int, series: Series) -> None:
    """Note that a target has all there was of a session at a revision."""
    connection.execute(
        "INSERT OR REPLACE INTO shipped (target, session_id, revision, series) VALUES (?, ?, ?, ?)",
        (target, session_id, revision, zlib.compress(_encode_series(series), 1)),
    )


def sent_turns(connection: Connection, target: int, session_id: str) -> dict[tuple[str, int], bytes]:
    """Return the traces that turns of a session were sent in, by key and ordinal, where the client named them."""
    rows = connection.execute(
        "SELECT turn, ordinal, trace_id FROM sent_turns WHERE target = ? AND session_id = ?", (target, session_id)
    )
    return {(turn, ordinal): trace_id for turn, ordinal, trace_id in rows}


def note_turns(connection: Connection, target: int, session_id: str, traces: Mapping[tuple[str, int], bytes]) -> None:
    """Note in which traces turns of a session are about to be sent."""
    connection.executemany(
        "INSERT OR IGNORE INTO sent_turns (target, session_id, turn, ordinal, trace_id) VALUES (?, ?, ?, ?, ?)",
        [(target, session_id, turn, ordinal, trace_id) for (turn, ordinal), trace_id in traces.items()],
    )


_PENDING = """
SELECT sessions.session_id FROM sessions LEFT JOIN shipped
  ON shipped.session_id = sessions.session_id AND shipped.target = ?
WHERE shipped.revision IS NOT sessions.revision
ORDER BY ended_ns DESC, sessions.session_id
"""
_HEADLESS = """
SELECT session_id FROM files GROUP BY session_id
HAVING min(agent_id IS NOT NULL) AND max(found_ns) > ?
"""
_JUST_OVER = """
SELECT session_id FROM sessions WHERE ended_ns > :since_ns AND EXISTS
  (SELECT 1 FROM turns WHERE session = sessions.id AND is_complete AND turns.ended_ns > :since_ns)
"""


def pending_sessions(connection: Connection, target: int | None) -> list[str]:
    """Return the sessions of which a target lacks something, the newest first: live work goes before history.

    A target that nothing was ever sent to (``None``) lacks all of them.
    """
    return [session_id for (session_id,) in connection.execute(_PENDING, (target or 0,))]


def just_over_sessions(connection: Connection, since_ns: int) -> list[str]:
    """Return the sessions with a turn that ended after a time."""
    return [session_id for (session_id,) in connection.execute(_JUST_OVER, {"since_ns": since_ns})]


def headless_sessions(connection: Connection, since_ns: int) -> set[str]:
    """Return the sessions of which only sub-agents' files are known, the newest of them found after a time."""
    return {session_id for (session_id,) in connection.execute(_HEADLESS, (since_ns,))}
