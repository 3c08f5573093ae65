"""The real client tells a running ``up`` what it does, over each protocol: nothing is lost at its exit."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Container, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import structs

from otel_bridge import semconv
from otel_bridge.convert.chat import EVENT_PREFIX
from otel_bridge.model import Session
from otel_bridge.reported import AUXILIARY, MAIN, SUBAGENT
from tests.client_habits import UNSTREAMED, Entry, Step, session_entries
from tests.realclient.bridged import Answer, Bridged
from tests.realclient.evidence import read_transcript
from tests.realclient.words import Words
from tests.stack.conftest import start_stack
from tests.stack.exports import Reader, money
from tests.waterfall import exact
from tools.realclient.install import VERSIONS
from tools.stack.stack import Stack
from tools.stack.stores import StoredSpan, eventually

pytestmark = pytest.mark.slow

PROTOCOLS = ("grpc", "http/protobuf", "http/json")
SERVICE = "claude-code"
COST = "coding_agent_cost_USD_total"
WITHIN_S = 40.0

Row = tuple[str, str, str, int, int, int, int, int]
"""Id, model and source of a call, and its tokens."""


@pytest.mark.parametrize("version", VERSIONS)
def test_nothing_of_a_client_is_lost_and_totals_are_its_own(version: str, tmp_path: Path) -> None:
    """Each answer of the API is one call, one span and one cost, whichever protocol told of it."""
    with start_stack(tmp_path / "stack") as stack, ExitStack() as running, ThreadPoolExecutor(len(PROTOCOLS)) as pool:
        places = [(tmp_path / protocol.replace("/", "-"), protocol) for protocol in PROTOCOLS]
        bridged = [running.enter_context(Bridged(stack, place, version, protocol)) for place, protocol in places]
        list(pool.map(Bridged.play, bridged))
        words = Words(version)
        for each in bridged:
            answers = list(each.answers())
            session = every_answer_is_one_call(each, answers, words)
            totals_are_the_clients(each.config, answers, session, words)
            one_span_is_stored_of_each_call(stack, session, words)
            costs_are_stored_by_source(stack, session)
            assert each.complaints() == ""


def every_answer_is_one_call(bridged: Bridged, answers: list[Answer], words: Words) -> Session:
    """Return the session, whose calls are the API's answers with the tokens billed, as far as the client knows them."""
    assert Counter(answer.source for answer in answers)[AUXILIARY] == words.asides
    expected = Counter(known(answer, words) for answer in answers)
    session = eventually(bridged.session, lambda found: rows(found) == expected, WITHIN_S)
    assert rows(session) == expected
    assert session is not None
    assert all(call.reported for call in session.calls())
    return session


def rows(session: Session | None) -> Counter[Row]:
    return Counter(map(row, session_entries(session))) if session is not None else Counter()


def known(answer: Answer, words: Words) -> Row:
    """Return what can be known of an answer: transcripts have all of it, and know nothing of the client's asides."""
    tokens = answer.tokens
    if answer.source != AUXILIARY:
        return (answer.message_id, answer.model, answer.source, *tokens)
    if not words.has_request_ids:
        return ("", answer.model, AUXILIARY, 0, tokens[1], 0, 0, 0)
    written = tokens[3:] if words.has_lifetimes else (sum(tokens[3:]), 0)
    return (answer.request_id, answer.model, AUXILIARY, *tokens[:3], *written)  # type: ignore[return-value]


def row(entry: Entry) -> Row:
    usage = entry.call.usage
    kept = usage.input_tokens, usage.output_tokens, usage.cache_read_tokens
    written = usage.cache_write_5m_tokens, usage.cache_write_1h_tokens
    return (name(entry), entry.call.model, source(entry), *kept, *written)


def name(entry: Entry) -> str:
    return entry.call.message_id or entry.call.request_id or ""


def source(entry: Entry) -> str:
    told = entry.call.reported.query_source if entry.call.reported else None
    return told or (MAIN if entry.agent is None else SUBAGENT)


def totals_are_the_clients(config: Path, answers: list[Answer], session: Session, words: Words) -> None:
    """Assert that the cost is what the client says itself, in its counters and in its last line about it.

    Habits of a version that counts or prices otherwise are taken on call by call (``client_habits``).
    """
    assert session.client_counters is not None
    streamed = {answer.message_id for answer in answers if answer.is_streamed}
    entries = session_entries(session)
    counted = sum((as_counted(entry, words.habits, streamed) for entry in entries), Decimal(0))
    assert exact(counted) == exact(session.client_counters.cost_usd or Decimal(0))
    totals = read_transcript(config / "projects").totals_usd
    if words.has_totals:
        assert exact(cost_usd(session)) == exact(totals[session.id][-1])
        assert session.unrecorded_cost_usd == 0
    else:
        assert totals == {}


def as_counted(entry: Entry, steps: Mapping[str, Step], streamed: Container[str]) -> Decimal:
    """Return the cost of a call as its client counts it."""
    if entry.call.reported and entry.call.reported.is_unrecorded:
        return entry.call.cost_usd or Decimal(0)
    for habit, step in steps.items():
        if habit != UNSTREAMED:
            entry = step(entry)
        elif entry.call.message_id not in streamed:  # lines tell it only where nothing is slow
            return Decimal(0)
    return entry.cost_usd


def cost_usd(session: Session) -> Decimal:
    return sum((call.cost_usd or Decimal(0) for call in session.calls()), Decimal(0))


def one_span_is_stored_of_each_call(stack: Stack, session: Session, words: Words) -> None:
    """Assert that the trace store has each call once, with its cost and source, under the id the client gave it.

    What the client asks for between two turns is told of in one of them, and traced in the other, under its own id. A
    turn that does not say that it is over is not sent before half an hour has passed.
    """
    over = structs.replace(session, turns=tuple(turn for turn in session.turns if turn.is_complete))
    assert over == session or not words.tells_ends
    entries = session_entries(over)
    spans = eventually(lambda: chats(stack, session.id), lambda found: len(found) >= len(entries), WITHIN_S)
    assert len({span.span_id for span in spans}) == len(spans) == len(entries)
    assert Counter(map(named, spans)) == Counter((name(entry), source(entry) == AUXILIARY) for entry in entries)
    recorded = {entry.call.reported.span_id for entry in entries if entry.call.reported and entry.call.message_id}
    if words.has_spans:
        assert recorded <= {span.span_id for span in spans}
    amounts = [money(str(span.attributes[semconv.COST_AMOUNT])) for span in spans]
    assert sum(amounts) == money(str(cost_usd(over)))


def named(span: StoredSpan) -> tuple[str, bool]:
    """Return the id of the call that a span is about, and whether it is said to be the client's own."""
    told = span.attributes
    about = str(told.get(semconv.RESPONSE_ID) or "")
    return "" if about.startswith(EVENT_PREFIX) else about, told.get(semconv.QUERY_SOURCE) == AUXILIARY


def chats(stack: Stack, session_id: str) -> list[StoredSpan]:
    """Return the spans of a session's model calls."""
    now_s = time.time()
    return [
        span
        for span in stack.trace_store.spans(SERVICE, now_s - 600, now_s + 60)
        if span.attributes.get(semconv.OPERATION_NAME) == semconv.OP_CHAT
        and span.attributes.get(semconv.SESSION_ID) == session_id
    ]


def costs_are_stored_by_source(stack: Stack, session: Session) -> None:
    """Assert that Prometheus has the cost of all calls by what they were for, and nothing left that is unrecorded."""
    expected: dict[str, Decimal] = defaultdict(Decimal)
    for entry in session_entries(session):
        expected[source(entry)] += entry.call.cost_usd or Decimal(0)
    wanted = {what: money(str(usd)) for what, usd in expected.items()}
    assert eventually(lambda: stored_costs(stack, session.id), lambda found: found == wanted, WITHIN_S) == wanted


def stored_costs(stack: Stack, session_id: str) -> dict[str, Decimal]:
    """Return the costs in Prometheus that are not 0, by source."""
    reader = Reader(stack, SERVICE, time.time() + 600)
    found = reader.sum(reader.last(COST, session_id=f'="{session_id}"'), "coding_agent_call_source")
    return {what: money(usd) for what, usd in found.items() if money(usd)}
