"""Rows made to say what sessions are, after their files or their relatives changed (I/O)."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from sqlite3 import Connection

from msgspec import Struct, structs

from otel_bridge.model import IDLE_TURN_NS, Session, Turn
from otel_bridge.parallel import map_unordered
from otel_bridge.pipeline.index.faults import Fault, attempt, write_all_or_each
from otel_bridge.pipeline.index.place import IndexPlace
from otel_bridge.pipeline.index.reading import session_texts
from otel_bridge.pipeline.index.stored import StoredLibrary
from otel_bridge.sources.transcript.assemble.packing import ForeignFormatError
from otel_bridge.store import kinship
from otel_bridge.store.database import transaction
from otel_bridge.store.native import has_native, known_natively
from otel_bridge.store.rows import SessionRows, session_rows
from otel_bridge.store.tables import delete_session, update_session
from otel_bridge.store.texts import set_session_texts
from otel_bridge.vcs import BranchLink

_AT_ONCE = 32
"""Sessions settled in one transaction: an interrupted pass goes on from there."""

_AT_ONCE_S = 0.05
"""Whoever waits for what he sent to be stored waits so long."""

_PARALLEL_FROM = 24
"""For fewer sessions, starting workers costs more than it saves."""


class SettledSession(Struct):
    """What a session is, its relatives considered."""

    rows: SessionRows
    texts: dict[str, str]
    started_ns: int
    project: str | None
    branch_links: list[BranchLink]
    work_ns: int = 0
    """Processor time it took to find out."""


class Settlement(Struct):
    """What was done of what is to be settled."""

    sessions: list[str] = []
    """Those whose rows were made, here or before."""
    work_ns: dict[str, int] = {}
    """Processor time that each took here."""
    faults: list[Fault] = []
    """Sessions that we stumbled over: their rows stay as they were, and are to be made still."""


def settle(
    place: IndexPlace,
    *,
    now_ns: int,
    made: Collection[str] = (),
    workers: int = 1,
    held: Collection[str] = (),
    between: Callable[[], object] = lambda: None,
) -> Settlement:
    """Make the rows of all unsettled sessions and their relatives anew, and of those whose open turn is over by now.

    ``made`` are sessions whose rows were made just now from their files alone: of these, only those with relatives are
    made again. A session that has no files left is deleted. ``held`` are sessions that may wait unless a relative needs
    them. ``between`` is called after each transaction where there are no workers, and may store telemetry.
    """
    connection = place.connection
    _forget_empty(connection)
    unsettled = set(kinship.unsettled_sessions(connection))
    fresh = unsettled.intersection(made)
    waiting = _families(connection, (unsettled - fresh).difference(held))
    if fresh:
        waiting |= _relatives(connection, fresh) | dict.fromkeys(known_natively(connection, fresh))
    done = fresh - waiting.keys()
    with transaction(connection):
        kinship.mark_unsettled(connection, waiting)
        kinship.mark_settled(connection, done)
    waiting |= dict.fromkeys(_overdue(connection, now_ns))  # not noted: whoever comes next sees it too
    settlement = Settlement()
    while waiting:
        settler, changed = _Settler(place, now_ns, fresh - done), _Branches(set)
        for batch in _batches(_each(settler, _by_family(connection, waiting), workers)):
            _write_all(connection, batch, changed, settlement)
            if workers < 2:  # others are ahead: what they found may be older than what would be stored
                between()
        done.update(waiting)
        # once more at most: what a session links is settled with it
        waiting = dict.fromkeys(_mates(connection, changed))
    settlement.sessions = sorted(done.difference(fault.session_id for fault in settlement.faults))
    return settlement


class _Settler:
    """Tells what the sessions of a family are: what each has to know of the others is read once."""

    def __init__(self, place: IndexPlace, now_ns: int, fresh: Collection[str]) -> None:
        self._place = place
        self._now_ns = now_ns
        self._fresh = fresh

    def __call__(self, family: Sequence[str]) -> list[_Settled]:
        """Return what sessions are; ``None`` where the rows stay as they are, and a fault where we stumble over one.

        Rows stay where they were made just now and no relative has a say, and where only an older version could tell.
        """
        library = StoredLibrary(self._place.connection, now_ns=self._now_ns, session_ids=())
        return [(session_id, self._one(library, session_id)) for session_id in family]

    def _one(self, library: StoredLibrary, session_id: str) -> SettledSession | Fault | None:
        started_ns = time.thread_time_ns()
        session = attempt(session_id, "put together", lambda: self._put_together(library, session_id))
        if isinstance(session, SettledSession):
            session.work_ns = time.thread_time_ns() - started_ns
        return session

    def _put_together(self, library: StoredLibrary, session_id: str) -> SettledSession | None:
        with suppress(ForeignFormatError):
            return self._told(library, session_id)
        return None

    def _told(self, library: StoredLibrary, session_id: str) -> SettledSession | None:
        is_native = has_native(self._place.connection, session_id)
        if session_id in self._fresh and not is_native and library.relations.is_on_its_own(session_id):
            return None
        session = library[session_id]
        session = _at_own_times(session, library.relations.own_times_ns(session_id), is_native=is_native)
        sorter = library.relations.sorter(session_id)
        user = self._place.connection.execute(_USER, (session_id,)).fetchone()
        rows = session_rows(session, user_name=user[0] if user else None)
        texts = session_texts(session, rows)
        return SettledSession(rows, texts, session.started_ns, sorter.project, sorter.asides().branch_links)


_Settled = tuple[str, SettledSession | Fault | None]
_Branches = defaultdict[tuple[str, str], set[str]]
"""Sessions by the project and branch for which they link something else than before."""
_USER = "SELECT user_name FROM sessions WHERE session_id = ?"
_LINKS = """
SELECT DISTINCT session_id, branch_links.project, branch_links.branch
FROM branch_links JOIN sessions ON sessions.id = branch_links.session
"""
_EMPTY = """
SELECT session_id FROM unsettled
WHERE session_id NOT IN (SELECT session_id FROM files) AND session_id NOT IN (SELECT session_id FROM native_records)
  AND session_id NOT IN (SELECT session_id FROM native_points)
ORDER BY session_id
"""
_OVERDUE = """
SELECT session_id FROM sessions WHERE open_until_ns > 0 AND EXISTS
  (SELECT 1 FROM turns WHERE session = sessions.id AND end_reason = 'open' AND turns.ended_ns < :before_ns)
UNION
SELECT session_id FROM agents JOIN sessions ON sessions.id = agents.session
WHERE NOT is_complete AND agents.ended_ns < :before_ns
"""


def _at_own_times(session: Session, recorded_ns: tuple[int, int], *, is_native: bool) -> Session:
    """Return the session with the times its transcripts have for what is its own; telemetry may go beyond them."""
    told: Iterable[Session | Turn] = ()
    if is_native:
        told = session.turns or (session,)
    starts = [at_ns for at_ns in (recorded_ns[0], *(part.started_ns for part in told)) if at_ns]
    ended_ns = max([recorded_ns[1], *(part.ended_ns for part in told)])
    return structs.replace(session, started_ns=min(starts, default=0), ended_ns=ended_ns)


def _each(settler: _Settler, families: list[list[str]], workers: int) -> Iterable[list[_Settled]]:
    if workers < 2 or sum(map(len, families)) < _PARALLEL_FROM:
        return map(settler, families)
    by_size = sorted(families, key=len, reverse=True)
    return (sessions for _, sessions in map_unordered(settler, by_size, workers))


def _batches(families: Iterable[list[_Settled]]) -> Iterator[list[_Settled]]:
    """Yield whole families: what was found of them is written before anything else is stored."""
    batch: list[_Settled] = []
    begun_s = time.monotonic()
    for family in families:
        batch += family
        if len(batch) >= _AT_ONCE or time.monotonic() - begun_s >= _AT_ONCE_S:
            yield batch
            batch, begun_s = [], time.monotonic()
    if batch:
        yield batch


def _write_all(connection: Connection, batch: Sequence[_Settled], changed: _Branches, settlement: Settlement) -> None:
    def write(sessions: Sequence[tuple[str, SettledSession | None]]) -> None:
        with transaction(connection):
            for session_id, session in sessions:
                for branch in _write(connection, session_id, session):
                    changed[branch].add(session_id)
                kinship.mark_settled(connection, [session_id])
            # by their new rows: they were made before all links were written
            kinship.mark_unsettled(connection, _mates(connection, changed))

    sound = [(session_id, session) for session_id, session in batch if not isinstance(session, Fault)]
    written, faults = write_all_or_each(write, sound, lambda one: one[0])
    settlement.faults += [session for _, session in batch if isinstance(session, Fault)] + faults
    settlement.work_ns |= {session_id: session.work_ns for session_id, session in written if session is not None}


def _write(connection: Connection, session_id: str, session: SettledSession | None) -> set[tuple[str, str]]:
    """Write the rows of a session; return the projects and branches for which it links something else than before."""
    if session is None:
        return set()
    update_session(connection, session.rows)
    row_id = kinship.row_id(connection, session_id)
    assert row_id is not None
    set_session_texts(connection, row_id, session.texts, session.started_ns)
    return kinship.put_links(connection, row_id, session.project, session.branch_links)


def _mates(connection: Connection, changed: Mapping[tuple[str, str], Collection[str]]) -> list[str]:
    """Return the sessions on branches that others link otherwise than before; these are given by project and branch."""
    found: set[str] = set()
    for branch, linking in changed.items():
        found.update(mate for mate in kinship.sessions_on_branches(connection, [branch]) if linking != {mate})
    return sorted(found)


def _forget_empty(connection: Connection) -> None:
    """Delete the unsettled sessions that have no files left: these turned out to be another session's."""
    empty = [session_id for (session_id,) in connection.execute(_EMPTY)]
    if not empty:
        return
    with transaction(connection):
        for session_id in empty:
            row_id = kinship.row_id(connection, session_id)
            if row_id is not None:
                kinship.forget_calls(connection, row_id)
                branches = kinship.put_links(connection, row_id, None, ())
                kinship.mark_unsettled(connection, kinship.sessions_on_branches(connection, branches))
            delete_session(connection, session_id)
        kinship.mark_settled(connection, empty)


def _by_family(connection: Connection, session_ids: Iterable[str]) -> list[list[str]]:
    """Return the sessions in groups that share calls."""
    left = dict.fromkeys(session_ids)
    families = []
    for session_id in list(left):
        if session_id in left:
            family = [member for member in (session_id, *kinship.family_of(connection, session_id)) if member in left]
            families.append(list(dict.fromkeys(family)))
            for member in family:
                left.pop(member, None)
    return families


def _families(connection: Connection, session_ids: Iterable[str]) -> dict[str, None]:
    """Return sessions with all that share calls with them."""
    found: dict[str, None] = {}
    for session_id in session_ids:
        if session_id not in found:
            found |= dict.fromkeys((session_id, *kinship.family_of(connection, session_id)))
    return found


def _relatives(connection: Connection, fresh: set[str]) -> dict[str, None]:
    """Return those of some new sessions that have relatives, and all of these."""
    links = connection.execute(_LINKS).fetchall()
    linked = kinship.sessions_on_branches(connection, {(project, branch) for _, project, branch in links})
    affected = {*kinship.sharing_sessions(connection), *linked}
    own = {(project, branch) for session_id, project, branch in links if session_id in fresh}
    mates = kinship.sessions_on_branches(connection, own)
    return _families(connection, sorted(fresh & affected)) | dict.fromkeys(mates)


def _overdue(connection: Connection, now_ns: int) -> list[str]:
    """Return the sessions with a turn or a sub-agent that was open and is over by now."""
    return [session_id for (session_id,) in connection.execute(_OVERDUE, {"before_ns": now_ns - IDLE_TURN_NS})]
