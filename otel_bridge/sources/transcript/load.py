"""One session from its files (I/O: reads them and the sub-agents' meta files)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from otel_bridge.model import Session
from otel_bridge.sources.transcript.assemble.lanes import LaneSorter
from otel_bridge.sources.transcript.assemble.session import AssemblyOptions, ForkPoint, SessionAssembly
from otel_bridge.sources.transcript.calls import Pricer
from otel_bridge.sources.transcript.discover import SessionFiles, TranscriptFile
from otel_bridge.sources.transcript.lines import LineAccount, read_records
from otel_bridge.sources.transcript.ownership import Ownership
from otel_bridge.sources.transcript.records import AgentMeta

_decode_meta = msgspec.json.Decoder(AgentMeta).decode


def load_session(
    session: SessionFiles,
    *,
    price: Pricer,
    now_ns: int,
    ownership: Ownership = Ownership(),  # noqa: B008 - frozen
    keep_content: bool = False,
    files_of: Callable[[str], SessionFiles | None] = lambda _: None,
) -> Session:
    """Read and assemble one session.

    ``files_of`` finds the files of the session a fork was copied from, whose turn the fork's first own one follows.
    Damage in the files is in ``Session.problems``; a file that cannot be read is one of them. The client's own total is
    the survey's to tell.
    """
    account = LineAccount()
    sorter = _sorted_lanes(session, account, keep_content=keep_content)
    options = AssemblyOptions(price, now_ns, keep_content, ownership)
    if session.session_id in ownership.origins:
        options = msgspec.structs.replace(options, fork_point=_fork_point(sorter, options, session, files_of))
    assembled = SessionAssembly(session.session_id, sorter, options).session()
    return msgspec.structs.replace(
        assembled,
        problems=tuple(sorted(account.problems)),
        problem_count=account.problem_count,
        paths=tuple(sorted(file.path for file in session.files)),
    )


def _sorted_lanes(session: SessionFiles, account: LineAccount, *, keep_content: bool) -> LaneSorter:
    sorter = LaneSorter(session.session_id, keep_content=keep_content)
    for file in session.files:
        own = LineAccount()
        records = read_records(file, own)
        sorter.start_file(records, file.agent_id, _agent_meta(file, own))
        try:
            for record in records:
                sorter.add(record)
        except OSError as error:
            own.report_file(file.path, "unreadable", error)
        account.add(own)
    return sorter


def _agent_meta(file: TranscriptFile, account: LineAccount) -> AgentMeta | None:
    if file.agent_id is None:
        return None
    path = Path(file.path.removesuffix(".jsonl") + ".meta.json")
    try:
        return _decode_meta(path.read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        account.report_file(str(path), "bad_meta", error)
        return None


def _fork_point(
    fork: LaneSorter, options: AssemblyOptions, session: SessionFiles, files_of: Callable[[str], SessionFiles | None]
) -> ForkPoint | None:
    """Find the origin's turn that holds the latest call the fork copied."""
    origin_id = options.ownership.origins[session.session_id]
    files = files_of(origin_id)
    if files is None:
        return None
    sorter = _sorted_lanes(files, LineAccount(), keep_content=False)
    origin = SessionAssembly(origin_id, sorter, options).session()
    copied = fork.drafts.keys()
    holding = [turn for turn in origin.turns if any(call.message_id in copied for call in turn.calls)]
    return ForkPoint(origin_id, holding[-1].key, holding[-1].ordinal) if holding else None
