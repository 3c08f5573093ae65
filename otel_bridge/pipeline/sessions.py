"""Whole sessions, one after the other: survey all files once, then read each session when it is wanted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property

from msgspec import structs

from otel_bridge.errors import NotFoundError, UsageError
from otel_bridge.model import Session
from otel_bridge.prices import price_call
from otel_bridge.sources.transcript.census import SessionCensus
from otel_bridge.sources.transcript.discover import SessionFiles
from otel_bridge.sources.transcript.load import load_session
from otel_bridge.sources.transcript.survey import Survey, survey_sessions


class SessionLibrary:
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
        self._files = {files.session_id: files for files in sessions}
        self._now_ns = now_ns
        self._workers = workers
        self._keep_content = keep_content
        self._progress = progress

    def count(self) -> None:
        """Count all files now rather than when the first session is wanted: before other threads are started.

        Counting forks processes, and a fork takes a lock that another thread holds along, never to be opened.
        """
        self._survey  # noqa: B018 - counted on first sight

    @cached_property
    def _survey(self) -> Survey[None]:
        return survey_sessions(
            list(self._files.values()), workers=self._workers, summarize=_nothing, progress=self._progress
        )

    def __iter__(self) -> Iterator[Session]:
        """Read every session, by session id."""
        for session_id in sorted(self._files):
            yield self[session_id]

    def unaware(self, session_id: str) -> Session | None:
        """Read a fork as it looks without the session it was forked from; ``None`` for a session that is no fork."""
        if session_id not in self._survey.ownership.origins:
            return None
        return load_session(self._files[session_id], price=price_call, now_ns=self._now_ns)

    def __getitem__(self, session_id: str) -> Session:
        """Read one session."""
        session = load_session(
            self._files[session_id],
            price=price_call,
            now_ns=self._now_ns,
            ownership=self._survey.ownership,
            keep_content=self._keep_content,
            files_of=self._files.get,
        )
        client = self._survey.compare_with_client(session_id, price_call)
        return structs.replace(
            session,
            client_cost_usd=client.cost_usd,
            unrecorded_cost_usd=client.unrecorded_usd,
            unrecorded_reasons=client.unrecorded_reasons,
            unrecorded_history=self._survey.unrecorded_history(session_id, price_call),
            branch_links=self._survey.branch_links(session_id),
        )


def find_session(sessions: Sequence[SessionFiles], prefix: str) -> str:
    """Return the id of the one session whose id starts with ``prefix``.

    Raises:
        NotFoundError: none does.
        UsageError: several do.
    """
    ids = [files.session_id for files in sessions]
    if prefix in ids:
        return prefix
    matches = [session_id for session_id in ids if session_id.startswith((prefix.lower(), prefix))]
    if not matches:
        raise NotFoundError(
            f"no session begins with {prefix!r} among {len(sessions)}; `otel-bridge stats --all` lists them"
        )
    if len(matches) > 1:
        shown = ", ".join(matches[:4]) + (" …" if len(matches) > 4 else "")
        raise UsageError(f"{len(matches)} sessions begin with {prefix!r} ({shown}); give more of the id")
    return matches[0]


def _nothing(_: SessionCensus) -> None:
    return None
