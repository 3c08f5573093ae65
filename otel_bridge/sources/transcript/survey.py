"""The census of many sessions, on all cores, in bounded memory (I/O).

Workers read, count and summarize; the parent keeps packed censuses (about 100 bytes a call) and the set of call keys,
and opens only those sessions again that share calls with others.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Generic, TypeVar

import msgspec

from otel_bridge.parallel import collector_off, map_unordered
from otel_bridge.sources.transcript.calls import fingerprint
from otel_bridge.sources.transcript.census import CensusTaker, SessionCensus
from otel_bridge.sources.transcript.discover import SessionFiles
from otel_bridge.sources.transcript.lines import LineAccount, count_records
from otel_bridge.sources.transcript.ownership import Ownership, resolve_ownership
from otel_bridge.sources.transcript.relations import Relations, in_time_order
from otel_bridge.vcs import BranchLink

_PARALLEL_FROM_BYTES = 24 << 20
"""Below this, starting workers costs more than it saves."""

SummaryT = TypeVar("SummaryT")
Summarize = Callable[[SessionCensus], SummaryT]


class SessionHead(msgspec.Struct, array_like=True):
    """What the parent needs of a session without opening its census."""

    session_id: str
    project: str | None
    title: str | None
    has_cost_state: bool
    branch_links: list[BranchLink]


class _Result(msgspec.Struct, Generic[SummaryT], array_like=True):
    head: SessionHead
    keys: array[int]
    """Fingerprints of the call keys."""
    packed_census: bytes
    account: LineAccount
    summary: SummaryT


_pack_census = msgspec.msgpack.Encoder().encode
_unpack_census = msgspec.msgpack.Decoder(SessionCensus).decode


def take_census(session: SessionFiles) -> tuple[SessionCensus, LineAccount]:
    """Read all files of one session. A file that cannot be read is a problem, not an error."""
    taker, total = CensusTaker(session.session_id), LineAccount()
    for file in session.files:
        account = LineAccount()
        records = count_records(file, account)
        taker.start_file(records, is_agent_file=file.agent_id is not None)
        try:
            for record in records:
                taker.add(record)
        except OSError as error:
            account.report_file(file.path, "unreadable", error)
        total.add(account)
    return taker.result(), total


class Survey(Relations, Generic[SummaryT]):
    """All sessions counted, who owns what they share, and a summary of each session's own calls."""

    def __init__(self, summarize: Summarize[SummaryT]) -> None:
        self.heads: dict[str, SessionHead] = {}
        self.account = LineAccount()
        self._ownership = Ownership()
        self._summarize = summarize
        self._summaries: dict[str, SummaryT] = {}
        self._packed: dict[str, bytes] = {}
        self._links_by_project: dict[str, dict[str, list[BranchLink]]] = {}
        self._keys: dict[str, array[int]] = {}
        """Fingerprints of each session's call keys: 4 bytes a call. All that two keys of one fingerprint could do is
        that ownership is looked at in vain."""

    def summaries(self) -> Iterator[tuple[str, SummaryT]]:
        """Yield each session's id and the summary of its own calls, by session id."""
        for session_id in sorted(self._summaries):
            yield session_id, self._summaries[session_id]

    def census(self, session_id: str) -> SessionCensus:
        """Return the census of one session."""
        return _unpack_census(self._packed[session_id])

    def ownership(self, session_id: str) -> Ownership:  # noqa: ARG002 - one for all
        """Return who owns what any sessions share."""
        return self._ownership

    def has_client_total(self, session_id: str) -> bool:
        """Tell whether the client wrote a total of the session."""
        return self.heads[session_id].has_cost_state

    def branch_links(self, session_id: str) -> tuple[BranchLink, ...]:
        """Return the pull requests that other sessions of the same project linked, in time order."""
        project = self.heads[session_id].project
        known = self._links_by_project.get(project, {}) if project else {}
        return in_time_order(link for other_id, links in known.items() if other_id != session_id for link in links)

    def add(self, result: _Result[SummaryT]) -> None:
        """Take in what a worker found in one session."""
        session_id = result.head.session_id
        self.heads[session_id] = result.head
        self._packed[session_id] = result.packed_census
        self._summaries[session_id] = result.summary
        if result.head.branch_links and result.head.project:
            self._links_by_project.setdefault(result.head.project, {})[session_id] = result.head.branch_links
        self.account.add(result.account)
        self._keys[session_id] = result.keys

    def settle(self) -> None:
        """Decide who owns the shared calls and summarize the sessions again that hold some."""
        sharing = [self.census(session_id) for session_id in self._sharing_sessions()]
        if not sharing:
            return
        self._ownership = resolve_ownership(sharing)
        for census in sharing:
            own = self._ownership.own_part(census)
            if own is not census:
                self._summaries[census.session_id] = self._summarize(own)

    def _sharing_sessions(self) -> list[str]:
        """Return the sessions that hold a call some other session holds too."""
        seen: set[int] = set()
        repeated: set[int] = set()
        for keys in self._keys.values():
            repeated.update(seen.intersection(keys))
            seen.update(keys)
        return [session_id for session_id, keys in sorted(self._keys.items()) if not repeated.isdisjoint(keys)]


def survey_sessions(
    sessions: Sequence[SessionFiles],
    *,
    workers: int,
    summarize: Summarize[SummaryT],
    progress: Callable[[int], None] = lambda _: None,
) -> Survey[SummaryT]:
    """Count all sessions and decide ownership.

    ``summarize`` must be picklable and its result too; ``progress`` is told the bytes of each session done.
    """
    survey = Survey(summarize)
    with collector_off():
        for session, result in _results(sessions, workers, partial(_survey_one, summarize)):
            survey.add(result)
            progress(session.size_bytes)
        survey.settle()
    return survey


def _survey_one(summarize: Summarize[SummaryT], session: SessionFiles) -> _Result[SummaryT]:
    census, account = take_census(session)
    head = SessionHead(census.session_id, census.project, census.title, bool(census.cost_states), census.branch_links)
    keys = array("I", [fingerprint(call.key) for call in census.calls])
    return _Result(head, keys, _pack_census(census), account, summarize(census))


def _results(
    sessions: Sequence[SessionFiles], workers: int, survey_one: Callable[[SessionFiles], _Result[SummaryT]]
) -> Iterable[tuple[SessionFiles, _Result[SummaryT]]]:
    by_size = sorted(sessions, key=lambda session: -session.size_bytes)
    if workers < 2 or sum(session.size_bytes for session in sessions) < _PARALLEL_FROM_BYTES:
        return ((session, survey_one(session)) for session in by_size)
    return map_unordered(survey_one, by_size, workers)
