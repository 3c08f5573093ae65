"""What a Tempo says about itself, from its status pages (pure: it is handed the pages).

Keys as of 3.0 (``/status/config``: the file's settings and all defaults, durations as Go writes them). Tempo 2 still
has ingesters: there other keys decide. The pages under ``/status/`` must exist: 2.x fails on names it does not know.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from otel_bridge.backends.documents import Page, duration_at, number_at, read_yaml, value_at

VERSION_PAGE = "/status/version"
_CONFIG_PAGE = "/status/config"

_VERSION = re.compile(r"^tempo, version (\S+)", re.MULTILINE)
_SLACK = "wal.ingestion_time_range_slack"
_RETENTION = "compaction.block_retention"
_RECEIVERS = "distributor.receivers"


class Knob(Struct, frozen=True):
    """One setting of the file and the time it is set to."""

    path: str
    span_ns: int


class TempoFacts(Struct, frozen=True):
    """The settings that decide about old spans. ``None`` = the page does not say."""

    version: str
    slacks: tuple[Knob, ...] = ()
    """How long before its arrival a span may have ended for its block to be given the span's own time."""
    retentions: tuple[Knob, ...] = ()
    """When blocks are deleted; each of these alone suffices to delete."""
    search_range: Knob | None = None
    """The longest range a search may have; 0 = any."""
    metrics_range: Knob | None = None
    """The longest range a TraceQL metrics query may have."""
    max_attribute_bytes: int | None = None
    """Longer values are cut without a word."""
    max_live_traces: int | None = None
    """More traces at a time are dropped after they were acknowledged; 0 = any number."""
    http_port: int | None = None
    """Where it takes OTLP over HTTP, over gRPC."""
    grpc_port: int | None = None


def tempo_version(version_page: str) -> str:
    """Return the version the page names; empty where it is not a Tempo's."""
    found = _VERSION.search(version_page)
    return found[1] if found else ""


def read_tempo(get: Callable[[str], Page]) -> TempoFacts | str:
    """Ask for the pages and read them; a sentence where there is no Tempo to read."""
    page = get(VERSION_PAGE)
    if page.problem:
        return page.problem
    version = tempo_version(page.text)
    if not version:
        return "something answers, but it is no Tempo"
    page = get(_CONFIG_PAGE)
    if page.problem:
        return page.problem
    config = read_yaml(page.text.partition("---\n")[2] or page.text)  # its first line names the page
    return f"{_CONFIG_PAGE} cannot be read" if config is None else tempo_facts(version, config)


def tempo_facts(version: str, config: dict[str, Any]) -> TempoFacts:
    """Read the settings out of a whole configuration."""
    if "ingester" in config:
        slack_paths, retention_paths = [f"storage.trace.{_SLACK}"], [f"compactor.{_RETENTION}"]
    else:
        is_one_process = config.get("target", "all") == "all"
        slack_paths = [f"live_store.{_SLACK}"] + [f"block_builder.{_SLACK}"] * (not is_one_process)
        retention_paths = [f"backend_worker.{_RETENTION}", f"backend_scheduler.provider.compaction.{_RETENTION}"]
    override = f"overrides.defaults.{_RETENTION}"
    if duration_at(config, override):
        retention_paths = [override]
    search_override = _knob(config, "overrides.defaults.read.max_search_duration")
    if search_override is None or not search_override.span_ns:
        search_override = _knob(config, "query_frontend.search.max_duration")
    return TempoFacts(
        version=version,
        slacks=_knobs(config, slack_paths),
        retentions=_knobs(config, retention_paths),
        search_range=search_override,
        metrics_range=_knob(config, "query_frontend.metrics.max_duration"),
        max_attribute_bytes=number_at(config, "distributor.max_attribute_bytes"),
        max_live_traces=number_at(config, "overrides.defaults.ingestion.max_traces_per_user"),
        http_port=_port(config, "http", 4318),
        grpc_port=_port(config, "grpc", 4317),
    )


def _knob(config: dict[str, Any], path: str) -> Knob | None:
    span_ns = duration_at(config, path)
    return None if span_ns is None else Knob(path, span_ns)


def _knobs(config: dict[str, Any], paths: list[str]) -> tuple[Knob, ...]:
    return tuple(knob for knob in (_knob(config, path) for path in paths) if knob is not None)


def _port(config: dict[str, Any], protocol: str, usual: int) -> int | None:
    """Return the port of a protocol of the OTLP receiver: one that is named without an address has the usual port."""
    protocols = value_at(config, f"{_RECEIVERS}.otlp.protocols")
    if not isinstance(protocols, dict) or protocol not in protocols:
        return None
    port = str(value_at(protocols, f"{protocol}.endpoint") or "").rpartition(":")[2]
    return int(port) if port.isdecimal() else usual
