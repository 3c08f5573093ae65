"""Recordings of real client runs: their transcripts, and what the client's own telemetry counted in the same run."""

from __future__ import annotations

import tarfile
from decimal import Decimal
from functools import cache
from pathlib import Path

import msgspec
from msgspec import Struct

from otel_bridge.model import Session
from otel_bridge.pipeline.sessions import SessionLibrary
from otel_bridge.sources.transcript.discover import discover_sessions

FOLDER = Path(__file__).parent / "data" / "captures"
RUNS = sorted(
    (path.parent.relative_to(FOLDER).as_posix() for path in FOLDER.glob("*/*/expected.json")),
    key=lambda run: ([int(part) for part in run.split("/")[0].split(".")], run),
)
"""``VERSION/SCENARIO`` of each run; ``tools/make_samples.py --all`` makes them from the raw recordings."""

FAR_FUTURE_NS = 4_000_000_000_000_000_000
"""A time to read at by which every turn is over."""


class Request(Struct, frozen=True):
    """One native ``api_request`` event."""

    at: int
    session_id: str
    model: str
    """The model that answered."""
    input_tokens: int
    output_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    cost_usd: Decimal
    request_id: str | None = None
    query_source: str | None = None


class Cost(Struct, frozen=True):
    """A sum of ``claude_code.cost.usage``."""

    session_id: str
    model: str
    """The model the client priced it as."""
    usd: Decimal
    query_source: str | None = None


class Tokens(Struct, frozen=True):
    """Sums of ``claude_code.token.usage``."""

    session_id: str
    model: str
    input: int
    output: int
    cacheRead: int  # noqa: N815 - the client's names
    cacheCreation: int  # noqa: N815
    query_source: str | None = None


class Account(Struct, frozen=True):
    """What the client counted itself in a run."""

    cost_usage: list[Cost]
    token_usage: list[Tokens]
    api_requests: list[Request]


@cache
def native_account(run: str) -> Account:
    """Return what the client counted itself, to the digits it wrote."""
    return msgspec.json.decode((FOLDER / run / "expected.json").read_bytes(), type=Account)


def unpack_transcripts(run: str, folder: Path) -> Path:
    """Write a run's ``projects`` folder below ``folder`` and return it."""
    target = folder / run.replace("/", "-")
    if not target.exists():
        with tarfile.open(FOLDER / run / "transcripts.tar.xz") as archive:
            archive.extractall(target, filter="data")
    return target


def read_sessions(projects: Path) -> dict[str, Session]:
    """Read all sessions below a folder, by session id."""
    library = SessionLibrary(discover_sessions([projects]), now_ns=FAR_FUTURE_NS, workers=1)
    return {session.id: session for session in library}
