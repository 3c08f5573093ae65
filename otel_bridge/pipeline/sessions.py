"""Whole sessions, one after the other, from wherever their parts are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from otel_bridge.errors import NotFoundError, UsageError
from otel_bridge.model import Session
from otel_bridge.prices import price_call
from otel_bridge.sources.transcript.assemble.packing import ForeignFormatError
from otel_bridge.sources.transcript.census import SessionCensus
from otel_bridge.sources.transcript.discover import SessionFiles
from otel_bridge.sources.transcript.load import PartsOf, load_session, read_parts
from otel_bridge.sources.transcript.relations import Relations
from otel_bridge.sources.transcript.survey import Survey, survey_sessions

if TYPE_CHECKING:
    from otel_bridge.sources.native.metrics.records import NativePoint
    from otel_bridge.sources.native.records import NativeRecord


class Library(ABC):
    """Sessions by id; each is put together when it is asked for."""

    def __init__(self, session_ids: Iterable[str], parts_of: PartsOf, *, now_ns: int, keep_content: bool) -> None:
        self.session_ids = sorted(session_ids)
        self._parts_of = parts_of
        self._now_ns = now_ns
        self._keep_content = keep_content
        self.passed_over: set[str] = set()
        """Sessions that an iteration left out: what is stored of them or of a relative is damaged, or of another
        version."""

    @property
    @abstractmethod
    def relations(self) -> Relations:
        """What the sessions have to do with each other."""

    def __iter__(self) -> Iterator[Session]:
        """Yield every session that can be told, by session id; the others are ``passed_over``."""
        for session_id in self.session_ids:
            try:
                session = self[session_id]
            except ForeignFormatError:
                self.passed_over.add(session_id)
                continue
            yield session

    def __getitem__(self, session_id: str) -> Session:
        """Return one session.

        Raises:
            ForeignFormatError: it comes from the index, which has it in a form that cannot be read.
        """
        session = self._recorded(session_id, self.relations)
        session = self._joined(session, self.native_records(session_id))
        return self._counted(session, self.native_points(session_id))

    def _joined(self, recorded: Session, records: Sequence[NativeRecord]) -> Session:
        if not records:
            return recorded
        from otel_bridge.sources.native.join import join_session  # noqa: PLC0415 - 50 ms, seldom wanted

        return join_session(recorded, records, price_call, self._now_ns)

    @staticmethod
    def _counted(session: Session, points: Sequence[NativePoint]) -> Session:
        if not points:
            return session
        from otel_bridge.sources.native.metrics.session import with_counters  # noqa: PLC0415 - as above

        return with_counters(session, points)

    def _recorded(self, session_id: str, relations: Relations | None) -> Session:
        return load_session(
            session_id,
            self._parts_of,
            price=price_call,
            now_ns=self._now_ns,
            relations=relations,
            keep_content=self._keep_content,
        )

    def native_records(self, session_id: str) -> Sequence[NativeRecord]:  # noqa: ARG002
        """Return what the client's own telemetry said of a session: nothing where no index has kept it."""
        return ()

    def native_points(self, session_id: str) -> Sequence[NativePoint]:  # noqa: ARG002
        """Return the points of the client's own counters: none where no index has kept them."""
        return ()

    def of_projects(self, is_wanted: Callable[[str | None], bool]) -> Iterable[Session]:
        """Return the sessions of some projects: of those whose folder is wanted."""
        return (session for session in self if is_wanted(session.project))

    def lesser_views(self, session_id: str) -> tuple[Session, ...]:
        """Return a session as who knows less of it sees it, or it was seen before more came in; mostly nothing.

        That is a fork without the session it was forked from, what either transcript or telemetry alone tells, and what
        was told before the client's spans came, or before its events did: spans say which model was asked for, events
        what for, and so which series a call is in. Where one of them does not say whose a call is (events before
        2.1.181, spans before 2.1.329), it is also a transcript whose calls are not read yet: nothing else does.
        """
        forks = [] if self.relations.origin_id(session_id) is None else [self._recorded(session_id, None)]
        records = self.native_records(session_id)
        if not records:
            return tuple(forks)
        from otel_bridge.sources.native.parts import lesser_views  # noqa: PLC0415 - as above

        return tuple(lesser_views(self._recorded(session_id, self.relations), forks, records, self._joined))


class SessionLibrary(Library):
    """The sessions of a set of files.

    All files are counted when the first session is wanted, to settle who owns shared calls; then sessions are read
    one by one.
    """

    def __init__(
        self,
        sessions: Sequence[SessionFiles],
        *,
        now_ns: int,
        workers: int,
        keep_content: bool = False,
        progress: Callable[[int], None] = lambda _: None,
    ) -> None:
        files = {session.session_id: session for session in sessions}
        super().__init__(files, read_parts(files, keep_content=keep_content), now_ns=now_ns, keep_content=keep_content)
        self._files = files
        self._workers = workers
        self._progress = progress

    def count(self) -> None:
        """Count all files now rather than when the first session is wanted: before other threads are started.

        Counting forks processes, and a fork takes a lock that another thread holds along, never to be opened.
        """
        self.relations  # noqa: B018 - counted on first sight

    @cached_property
    def relations(self) -> Survey[None]:
        """What the sessions have to do with each other."""
        return survey_sessions(
            list(self._files.values()), workers=self._workers, summarize=_nothing, progress=self._progress
        )


def find_session(session_ids: Sequence[str], prefix: str) -> str:
    """Return the one session id that starts with ``prefix``.

    Raises:
        NotFoundError: none does.
        UsageError: several do.
    """
    if prefix in session_ids:
        return prefix
    matches = [session_id for session_id in session_ids if session_id.startswith((prefix.lower(), prefix))]
    if not matches:
        raise NotFoundError(
            f"no session begins with {prefix!r} among {len(session_ids)}; `otel-bridge stats --all` lists them"
        )
    if len(matches) > 1:
        shown = ", ".join(matches[:4]) + (" …" if len(matches) > 4 else "")
        raise UsageError(f"{len(matches)} sessions begin with {prefix!r} ({shown}); give more of the id")
    return matches[0]


def _nothing(_: SessionCensus) -> None:
    return None
