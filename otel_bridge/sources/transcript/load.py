"""One session from what its files say (I/O: reads them and the sub-agents' meta files)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, structs

from otel_bridge.model import Session
from otel_bridge.sources.transcript.assemble.extract import Extractor, FileExtract
from otel_bridge.sources.transcript.assemble.lanes import LaneSorter
from otel_bridge.sources.transcript.assemble.session import AssemblyOptions, ForkPoint, OwnTurn, SessionAssembly
from otel_bridge.sources.transcript.calls import Pricer
from otel_bridge.sources.transcript.discover import SessionFiles, TranscriptFile
from otel_bridge.sources.transcript.lines import LineAccount, read_records
from otel_bridge.sources.transcript.ownership import Ownership
from otel_bridge.sources.transcript.records import AgentMeta
from otel_bridge.sources.transcript.relations import Relations

decode_meta = msgspec.json.Decoder(AgentMeta).decode


class SessionParts(Struct):
    """What all files of a session say, not yet put together."""

    sorter: LaneSorter
    account: LineAccount
    paths: tuple[str, ...]
    turns: tuple[OwnTurn, ...] | None = None
    """The session's turns as its forks are told of them, once one has asked."""


PartsOf = Callable[[str], SessionParts | None]
"""Session id → its parts, which no use of them changes; ``None`` for a session nobody has files of."""


def read_parts(files_by_session: Mapping[str, SessionFiles], *, keep_content: bool = False) -> PartsOf:
    """Return what gives the parts of sessions by reading their files."""

    def parts_of(session_id: str) -> SessionParts | None:
        session = files_by_session.get(session_id)
        return None if session is None else _read_session(session, keep_content=keep_content)

    return parts_of


def load_session(
    session_id: str,
    parts_of: PartsOf,
    *,
    price: Pricer,
    now_ns: int,
    relations: Relations | None = None,
    keep_content: bool = False,
) -> Session:
    """Put one session together from its parts.

    Without ``relations`` it is as its own files alone show it. Of a fork, the parts of the session it was copied from
    are asked for too: its first own turn follows one of theirs. Damage in the files is in ``Session.problems``; a file
    that cannot be read is one of them.
    """
    parts = parts_of(session_id)
    assert parts is not None, f"no files of session {session_id}"
    ownership = relations.ownership(session_id) if relations is not None else Ownership()
    options = AssemblyOptions(price, now_ns, keep_content, ownership)
    if session_id in ownership.origins:
        options = structs.replace(options, fork_point=_fork_point(parts.sorter, options, session_id, parts_of))
    session = structs.replace(
        SessionAssembly(session_id, parts.sorter, options).session(),
        problems=tuple(sorted(parts.account.problems)),
        problem_count=parts.account.problem_count,
        paths=parts.paths,
    )
    return session if relations is None else _related(session, relations, price)


def _related(session: Session, relations: Relations, price: Pricer) -> Session:
    client = relations.compare_with_client(session.id, price)
    return structs.replace(
        session,
        client_cost_usd=client.cost_usd,
        unrecorded_cost_usd=client.unrecorded_usd,
        unrecorded_reasons=client.unrecorded_reasons,
        unrecorded_history=relations.unrecorded_history(session.id, price),
        branch_links=relations.branch_links(session.id),
    )


def _read_session(session: SessionFiles, *, keep_content: bool) -> SessionParts:
    sorter, total = LaneSorter(session.session_id), LineAccount()
    for file in session.files:
        account = LineAccount()
        extract = _read_file(file, account, keep_content=keep_content)
        sorter.add(extract, file.agent_id, _read_meta(file, account))
        total.add(account)
    return SessionParts(sorter, total, tuple(sorted(file.path for file in session.files)))


def _read_file(file: TranscriptFile, account: LineAccount, *, keep_content: bool) -> FileExtract:
    records = read_records(file, account)
    extractor = Extractor(file.session_id, file.agent_id, records, keep_content=keep_content)
    try:
        for record in records:
            extractor.add(record)
    except OSError as error:
        account.report_file(file.path, "unreadable", error)
    return extractor.extract


def _read_meta(file: TranscriptFile, account: LineAccount) -> AgentMeta | None:
    if file.agent_id is None:
        return None
    try:
        return read_agent_meta(Path(file.meta_path).read_bytes(), file, account)
    except FileNotFoundError:
        return None
    except OSError as error:
        account.report_file(file.meta_path, "bad_meta", error)
        return None


def read_agent_meta(raw: bytes, file: TranscriptFile, account: LineAccount) -> AgentMeta | None:
    """Return what a sub-agent's meta file says, ``None`` if it is damaged."""
    try:
        return decode_meta(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        account.report_file(file.meta_path, "bad_meta", error)
        return None


def _fork_point(fork: LaneSorter, options: AssemblyOptions, fork_id: str, parts_of: PartsOf) -> ForkPoint | None:
    """Find the origin's turn that holds the latest call the fork copied."""
    origin_id = options.ownership.origins[fork_id]
    parts = parts_of(origin_id)
    if parts is None:
        return None
    if parts.turns is None:
        parts.turns = SessionAssembly(origin_id, parts.sorter, options).own_turns()
    copied = fork.drafts.keys()
    holding = [turn for turn in parts.turns if not turn.calls.isdisjoint(copied)]
    return ForkPoint(origin_id, holding[-1].key, holding[-1].ordinal) if holding else None
