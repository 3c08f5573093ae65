"""From our figures of a session to the client's own, step by step, by joining calls with native events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

from msgspec import Struct, structs

from otel_bridge.model import Session, Usage
from tests.captures import Request, native_account
from tests.client_habits import STEPS, Entry, session_entries

JOIN_NS = (-5_000_000, 500_000_000)
"""How long after a call's last line its native event may come (before, by clock jitter)."""
FLOAT_DIGITS = Decimal("1e-10")
"""The client adds binary floats: their error is below this, every price per token is above."""


class Row(Struct, frozen=True):
    """Cost, and tokens as native counters divide them."""

    usd: Decimal = Decimal(0)
    input: int = 0
    output: int = 0
    read: int = 0
    write: int = 0

    def __add__(self, other: Row) -> Row:
        return Row(*(mine + theirs for mine, theirs in zip(structs.astuple(self), structs.astuple(other), strict=True)))

    def __sub__(self, other: Row) -> Row:
        return Row(*(mine - theirs for mine, theirs in zip(structs.astuple(self), structs.astuple(other), strict=True)))

    @property
    def tokens(self) -> tuple[int, ...]:
        return self.input, self.output, self.read, self.write


def joined(run: str, session: Session) -> tuple[list[Entry], list[Request]]:
    """Pair each call of a session with its native event; the second list has the events of no call."""
    requests = [request for request in native_account(run).api_requests if request.session_id == session.id]
    entries = []
    for entry in sorted(session_entries(session), key=lambda entry: entry.call.ended_ns):
        found = min(candidates(run, entry, requests), key=lambda request: abs(request.at - entry.call.ended_ns))
        requests.remove(found)
        entries.append(structs.replace(entry, request=found))
    return entries, requests


def candidates(run: str, entry: Entry, requests: Iterable[Request]) -> Iterator[Request]:
    """Yield the events that can be a call's: by request id, else by model, prompt tokens as counted there, and time."""
    call = entry.call
    expected = entry_row(as_client(run, entry))
    for request in requests:
        if request.request_id is not None:
            if request.request_id == call.request_id:
                yield request
        elif request.model == call.model and JOIN_NS[0] <= request.at - call.ended_ns <= JOIN_NS[1]:
            seen = request_row(request)
            if (seen.input, seen.read, seen.write) == (expected.input, expected.read, expected.write):
                yield request


def version(run: str) -> str:
    return run.split("/", 1)[0]


def as_client(run: str, entry: Entry) -> Entry:
    """Return a call as the client of the run counts and prices it."""
    for step in STEPS[version(run)].values():
        entry = step(entry)
    return entry


def waterfall(run: str, session: Session) -> Iterator[tuple[str, Row]]:
    """Yield our figures, each difference that is one, the calls no transcript records, and the client's counters."""
    entries, unseen = joined(run, session)
    yield "transcript", total(map(entry_row, entries))
    for name, step in STEPS[version(run)].items():
        changed = [step(entry) for entry in entries]
        difference = total(map(entry_row, changed)) - total(map(entry_row, entries))
        if difference != Row():
            yield name, difference
        entries = changed
    for reason in sorted({unrecorded_reason(request) for request in unseen}):
        yield reason, total(request_row(request) for request in unseen if unrecorded_reason(request) == reason)
    yield "client", native_total(run, session.id)


def unrecorded_reason(request: Request) -> str:
    """Name what a request was for that no transcript records."""
    if request.query_source == "compact" or "opus" in request.model:
        return "compaction"
    assert "haiku" in request.model
    return "small model's side calls"


def native_total(run: str, session_id: str) -> Row:
    """Return the client's own counters of a session."""
    account = native_account(run)
    usd = sum((cost.usd for cost in account.cost_usage if cost.session_id == session_id), Decimal(0))
    tokens = [tokens for tokens in account.token_usage if tokens.session_id == session_id]
    return Row(exact(usd)) + total(Row(Decimal(0), t.input, t.output, t.cacheRead, t.cacheCreation) for t in tokens)


def entry_row(entry: Entry) -> Row:
    return usage_row(entry.usage, entry.cost_usd)


def usage_row(usage: Usage, usd: Decimal) -> Row:
    return Row(usd, usage.input_tokens, usage.output_tokens, usage.cache_read_tokens, usage.cache_write_tokens)


def request_row(request: Request | None) -> Row:
    assert request is not None
    return Row(
        exact(request.cost_usd),
        request.input_tokens,
        request.output_tokens,
        request.cache_read_tokens,
        request.cache_creation_tokens,
    )


def exact(usd: Decimal) -> Decimal:
    """Return an amount without the client's float error."""
    return usd.quantize(FLOAT_DIGITS).normalize()


def total(rows: Iterable[Row]) -> Row:
    return sum(rows, Row())


def rendered_waterfall(run: str, session: Session) -> list[str]:
    lines, head = [], f"{run} {session.id[:8]}"
    for name, figures in waterfall(run, session):
        counts = f"{figures.input:>9}{figures.output:>8}{figures.read:>10}{figures.write:>9}"
        lines.append(f"{head:<26}{name:<26}{figures.usd.normalize():>12f}{counts}")
        head = ""
    return lines
