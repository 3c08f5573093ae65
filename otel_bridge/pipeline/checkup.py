"""What ``doctor`` finds out: each check is a value with a verdict and advice (I/O: looks at files, asks endpoints)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from otel_bridge.backends.detect import ITEMS
from otel_bridge.pipeline.checks import FAILED, OK, WARNING, Check
from otel_bridge.pipeline.hops import Door, Way, door_of, walk
from otel_bridge.pipeline.probe import probe_request
from otel_bridge.semconv import PROBE_SCOPE, SCOPE
from otel_bridge.sinks.otlp.answers import Accepted, Answer, Refused, Retry
from otel_bridge.sinks.otlp.config import OtlpConfig
from otel_bridge.sinks.otlp.encoder import Encoder
from otel_bridge.sinks.otlp.transport import make_encoder, open_transport
from otel_bridge.sources.transcript.discover import SessionFiles, discover_sessions
from otel_bridge.telemetry import Signal

_VERSION = re.compile(rb'"version":"(\d{1,4}\.\d{1,4}\.\d{1,5})"')
_PEEK_BYTES = 1 << 16
_DEFAULT_RETENTION_DAYS = 30


class _ClientSettings(Struct):
    cleanupPeriodDays: float | None = None  # noqa: N815 - the client's name


def check_transcripts(roots: Sequence[Path]) -> tuple[Check, list[SessionFiles]]:
    """Look for transcripts under the roots; return the sessions found too."""
    present = [root for root in roots if root.exists()]
    sessions = discover_sessions(present)
    looked = ", ".join(str(root) for root in roots)
    if not sessions:
        advice = "give a PATH, or set CLAUDE_CONFIG_DIR to where Claude Code keeps its data"
        return Check("transcripts", WARNING, f"none under {looked}", advice), []
    files = sum(len(session.files) for session in sessions)
    size = sum(session.size_bytes for session in sessions) / (1 << 20)
    where = ", ".join(str(root) for root in present)
    return Check(
        "transcripts", OK, f"{len(sessions):,} sessions in {files:,} files, {size:,.1f} MiB, under {where}"
    ), sessions


def check_versions(sessions: Iterable[SessionFiles]) -> Check:
    """Say which client versions wrote the transcripts, by the start of each file."""
    seen: Counter[str] = Counter()
    unreadable = []
    for session in sessions:
        for file in session.files:
            try:
                with Path(file.path).open("rb") as stream:
                    found = _VERSION.search(stream.read(_PEEK_BYTES))
            except OSError as error:
                unreadable.append(f"{file.path}: {error.strerror}")
                continue
            if found:
                seen[found[1].decode()] += 1
    if unreadable:
        advice = "run as a user who may read them, or give the readable ones as PATH"
        return Check("versions", WARNING, f"{len(unreadable)} files cannot be read, first {unreadable[0]}", advice)
    ordered = sorted(seen, key=lambda version: tuple(map(int, version.split("."))))
    listed = ", ".join(f"{version} ({seen[version]})" for version in ordered[-12:])
    return Check("versions", OK, f"{len(ordered)} client versions: {listed}" if ordered else "none named")


def check_retention(config_folders: Iterable[Path]) -> Check:
    """Say how long the client keeps transcripts: what it deletes, nobody can count later."""
    days: float = _DEFAULT_RETENTION_DAYS
    for folder in config_folders:
        try:
            settings = msgspec.json.decode((folder / "settings.json").read_bytes(), type=_ClientSettings)
        except (OSError, msgspec.MsgspecError, UnicodeDecodeError):
            continue
        days = settings.cleanupPeriodDays if settings.cleanupPeriodDays is not None else days
    found = f"Claude Code deletes transcripts after {days:g} days"
    if days > _DEFAULT_RETENTION_DAYS:
        return Check("retention", OK, found)
    return Check("retention", WARNING, found, 'raise "cleanupPeriodDays" in settings.json, or export before they go')


def check_endpoints(configs: Mapping[Signal, OtlpConfig | None], now_ns: int, *, whose: str = "") -> list[Check]:
    """Send a probe record of each signal the way an export would and say how far it came; ``None`` = no endpoint.

    A receiver that takes one signal and knows nothing of another has no pipeline for that: this is no failure.
    ``whose`` is put before the name of each check.
    """
    doors = {signal: door_of(config) for signal, config in configs.items() if config is not None}
    ways = {door: walk(door) for door in dict.fromkeys(doors.values()) if door is not None}
    checks = [_connection(door, way, whose) for door, way in ways.items()]
    open_ways = {
        signal: config
        for signal, config in configs.items()
        if config is not None and not _stop(doors[signal], ways).stopped_at
    }
    answers = {signal: _probe(config, now_ns) for signal, config in open_ways.items()}
    missing = _missing(open_ways, answers)
    for signal, config in configs.items():
        if config is None:
            advice = "give --endpoint or set OTEL_EXPORTER_OTLP_ENDPOINT to send"
            checks.append(Check(f"{whose}{signal} endpoint", OK, "none configured", advice))
        elif signal in missing:
            checks.append(Check(f"{whose}{signal} endpoint", WARNING, missing[signal]))
        elif signal in answers:
            checks.append(_judged(f"{whose}{signal} endpoint", config, answers[signal]))
        else:
            stop = _stop(doors[signal], ways)
            found = f"{_place(config)}: stopped at {stop.stopped_at}"
            checks.append(Check(f"{whose}{signal} endpoint", FAILED, found, stop.advice))
    return checks


def _stop(door: Door | None, ways: Mapping[Door, Way]) -> Way:
    return ways[door] if door is not None else Way(())


def _connection(door: Door, way: Way, whose: str) -> Check:
    stops = [f"stopped at {way.stopped_at}"] if way.stopped_at else []
    found = "; ".join((*way.passed, *stops, *([way.doubt] if way.doubt else [])))
    verdict = FAILED if way.stopped_at else WARNING if way.doubt else OK
    return Check(f"{whose}connection to {door}", verdict, found, way.advice)


def missing_pipelines(configs: Mapping[Signal, OtlpConfig]) -> dict[Signal, str]:
    """Send an empty request of each signal; return a sentence for those that a receiver of others knows nothing of."""
    answers: dict[Signal, Answer] = {}
    for signal, config in configs.items():
        answers[signal] = _ask(config)
        if isinstance(answers[signal], Retry):  # away or busy: the export itself will wait for it
            return {}
    return _missing(configs, answers)


def _missing(configs: Mapping[Signal, OtlpConfig | None], answers: Mapping[Signal, Answer]) -> dict[Signal, str]:
    if not any(isinstance(answer, Accepted) for answer in answers.values()):
        return {}
    return {
        signal: f"{_place(config)} has no pipeline for {signal}: {ITEMS[signal]} have nowhere to go"
        for signal, config in configs.items()
        if config is not None and _is_unknown(answers[signal])
    }


def _ask(config: OtlpConfig) -> Answer:
    encoder = make_encoder(config, SCOPE)
    return _sent(config, encoder, encoder.request([]))


def _probe(config: OtlpConfig, now_ns: int) -> Answer:
    encoder = make_encoder(config, PROBE_SCOPE)
    return _sent(config, encoder, probe_request(encoder, config.signal, now_ns))


def _sent(config: OtlpConfig, encoder: Encoder, request: bytes) -> Answer:
    transport = open_transport(config, encoder.content_type, 1)
    try:
        return transport.send(request)
    finally:
        transport.close()


def _is_unknown(answer: Answer) -> bool:
    return isinstance(answer, Refused) and answer.reason.startswith(("404", "UNIMPLEMENTED"))


def _judged(name: str, config: OtlpConfig, answer: Answer) -> Check:
    place = _place(config)
    if isinstance(answer, Accepted):
        return _taken(name, place, answer)
    if isinstance(answer, Retry):
        return Check(name, FAILED, f"{place}: {answer.reason}", "start the receiver, or check host, port and protocol")
    if isinstance(answer, Refused):
        return Check(name, FAILED, f"{place}: {answer.reason}", answer.advice)
    return Check(name, FAILED, f"{place}: {answer.reason}", "is this an OTLP receiver?")


def _taken(name: str, place: str, answer: Accepted) -> Check:
    words = f": {answer.message}" if answer.message else ""
    if answer.rejected:
        advice = "the receiver answers and refuses what it is sent: its own log may say more"
        return Check(name, FAILED, f"{place} answered, but did not take the probe record{words}", advice)
    return Check(name, WARNING if words else OK, f"{place} took a probe record{words}")


def _place(config: OtlpConfig) -> str:
    return f"{config.target.place} ({config.protocol})"
