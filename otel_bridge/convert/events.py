"""What happened in a session that is no span: log records, each with an id that makes sending it twice harmless (pure).

``session.start`` is the first own record. There is no end: a transcript never says that nobody will resume it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec import Struct

from otel_bridge import semconv
from otel_bridge.convert import ids
from otel_bridge.convert.attributes import Attributes, add_facts, seconds
from otel_bridge.convert.changes import change_attributes, commit_attributes
from otel_bridge.convert.options import ConvertOptions, turn_resource
from otel_bridge.convert.runs import Run, session_attributes, turn_attributes, turn_runs
from otel_bridge.convert.sent import tool_span_id
from otel_bridge.declarations import EventShape
from otel_bridge.model import ApiError, Compaction, HookRun, Session, ToolCall, Turn
from otel_bridge.telemetry import Batch, LogRecord, Signal
from otel_bridge.vcs import PullRequestLink

WARN = 13


class _Event(Struct, frozen=True):
    """A log record on its way: what it is about (``subject``) tells it from others of its kind and time."""

    shape: EventShape
    at_ns: int
    subject: str
    attributes: Attributes
    trace_id: bytes = b""
    span_id: bytes = b""
    severity_number: int = 0


def session_events(session: Session, options: ConvertOptions) -> Iterator[Batch]:
    """Yield one batch per turn that is over, then what belongs to the session alone."""
    for turn in session.turns:
        if records := turn_events(session, turn, options):
            yield Batch(Signal.LOGS, turn_resource(session, turn, options), records)
    if records := _records(session, _unplaced_changes(session)):
        yield Batch(Signal.LOGS, turn_resource(session, None, options), records)


def turn_events(session: Session, turn: Turn, options: ConvertOptions) -> list[LogRecord]:
    """Return the events of one turn in time order; empty while the turn may still grow (unless ``include_open``)."""
    if not (turn.is_complete or options.include_open):
        return []
    return _records(session, _turn_events(session, turn, include_open=options.include_open))


def _turn_events(session: Session, turn: Turn, *, include_open: bool) -> Iterator[_Event]:
    if turn is session.turns[0]:
        yield _session_start(session, turn)
    for run in turn_runs(session, turn, include_open=include_open):
        if run.agent is None:
            for hook in (*turn.hooks, *turn.closing_hooks):
                yield _hook(hook, run)
        for error in run.errors:
            yield _exception(error, run)
        for compaction in run.compactions:
            yield _compaction(compaction, run)
        for tool in run.tools:
            if tool.ended_ns is not None:
                yield from _tool_events(tool, tool.ended_ns, run)


def _records(session: Session, events: Iterable[_Event]) -> list[LogRecord]:
    """Return the events in time order. Indistinguishable ones (two hooks of a name at a time) are numbered."""
    seen: Counter[tuple[str, ...]] = Counter()
    records = []
    for event in sorted(events, key=lambda event: event.at_ns):
        facts = (session.id, event.shape.name, str(event.at_ns), event.subject)
        uid = ids.event_uid(*facts, str(seen[facts]))
        seen[facts] += 1
        records.append(
            LogRecord(
                event.shape.name,
                event.at_ns,
                event.severity_number or event.shape.severity_number,
                {**event.attributes, semconv.EVENT_UID: uid},
                event.trace_id,
                event.span_id,
            )
        )
    return records


def _session_start(session: Session, turn: Turn) -> _Event:
    attributes = turn_attributes(session, turn)
    if session.forked_from:
        attributes[semconv.PREVIOUS_SESSION_ID] = session.forked_from
    return _Event(semconv.SESSION_START, session.started_ns, "", attributes)


def _exception(error: ApiError, run: Run) -> _Event:
    attributes = {**run.common, semconv.EXCEPTION_TYPE: error.error_type}
    add_facts(attributes, {semconv.STATUS_CODE: error.status, semconv.RETRY_ATTEMPT: error.attempt})
    return _Event(semconv.EXCEPTION, error.at_ns, run.span_id.hex(), attributes, run.trace_id, run.span_id)


def _compaction(compaction: Compaction, run: Run) -> _Event:
    attributes = {**run.common, semconv.COMPACTION_TRIGGER: compaction.trigger}
    add_facts(
        attributes,
        {
            semconv.TOKENS_BEFORE: compaction.tokens_before,
            semconv.TOKENS_AFTER: compaction.tokens_after,
            semconv.COMPACTION_DURATION: _milliseconds_as_seconds(compaction.duration_ms),
        },
    )
    return _Event(semconv.COMPACTION, compaction.at_ns, run.span_id.hex(), attributes, run.trace_id, run.span_id)


def _hook(hook: HookRun, run: Run) -> _Event:
    attributes = {
        **run.common,
        semconv.HOOK_EVENT: hook.event,
        semconv.HOOK_NAME: hook.name,
        semconv.HOOK_OUTCOME: hook.outcome,
    }
    add_facts(
        attributes,
        {semconv.HOOK_DURATION: _milliseconds_as_seconds(hook.duration_ms), semconv.TOOL_CALL_ID: hook.tool_call_id},
    )
    subject = f"{hook.event} {hook.name} {hook.tool_call_id}"
    severity = semconv.HOOK.severity_number if hook.outcome == "success" else WARN
    return _Event(semconv.HOOK, hook.at_ns, subject, attributes, run.trace_id, run.span_id, severity)


def _tool_events(tool: ToolCall, ended_ns: int, run: Run) -> Iterator[_Event]:
    span_id = tool_span_id(tool, run.trace_id)
    common = {**run.common, semconv.TOOL_CALL_ID: tool.id}
    if tool.denial:
        attributes: Attributes = {**common, semconv.TOOL_NAME: tool.name, semconv.AGENT_NAME: run.name}
        add_facts(attributes, {semconv.PERMISSION_DENIAL: tool.denial, semconv.PERMISSION_SOURCE: tool.decision_source})
        yield _Event(semconv.PERMISSION_DENIED, ended_ns, tool.id, attributes, run.trace_id, span_id)
    for commit in tool.commits:
        attributes = {**common, **commit_attributes(commit)}
        yield _Event(semconv.COMMIT, commit.at_ns, f"{tool.id} {commit.sha}", attributes, run.trace_id, span_id)
    for link in tool.pull_requests:
        attributes = {**common, **change_attributes(link)}
        yield _Event(semconv.PULL_REQUEST, link.at_ns, _subject(link), attributes, run.trace_id, span_id)


def _unplaced_changes(session: Session) -> Iterator[_Event]:
    """Yield the pull requests the client linked to the session without a tool call that touched them."""
    placed = {_number(link) for tool in session.tool_calls() for link in tool.pull_requests}
    for link in session.pull_requests:
        if _number(link) not in placed:
            attributes = {**session_attributes(session), **change_attributes(link)}
            yield _Event(semconv.PULL_REQUEST, link.at_ns, _subject(link), attributes)


def _subject(link: PullRequestLink) -> str:
    return f"{link.action} {_number(link)}"


def _number(link: PullRequestLink) -> str:
    return f"{link.pull_request.repository}#{link.pull_request.number}"


def _milliseconds_as_seconds(duration_ms: float | None) -> float | None:
    return None if duration_ms is None else seconds(duration_ms * 1e6)
