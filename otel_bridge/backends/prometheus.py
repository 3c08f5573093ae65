"""What a Prometheus says about itself, from the pages of its HTTP API (pure: it is handed the pages).

Pages and keys as of 3.15: ``/api/v1/status/config`` has the configuration in force as YAML, with the retention even
where only a flag or the default sets it; ``runtimeinfo`` has the retention in force after every reload.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from otel_bridge.backends.documents import Page, duration_at, read_json, read_yaml, value_at
from otel_bridge.backends.durations import parse_duration

BUILD_PAGE = "/api/v1/status/buildinfo"
_CONFIG_PAGE = "/api/v1/status/config"
_FLAGS_PAGE = "/api/v1/status/flags"
_RUNTIME_PAGE = "/api/v1/status/runtimeinfo"

_UNNAMED = "(version not named)"
"""Built without the version being told to the linker."""
DEFAULT_NAMING = "UnderscoreEscapingWithSuffixes"


class PrometheusFacts(Struct, frozen=True):
    """The settings that decide about old points. ``None`` = the pages do not say."""

    version: str
    config_file: str = "prometheus.yaml"
    window_ns: int | None = None
    """How much older than the newest point a point may be; 0 = nothing out of order is taken."""
    retention_ns: int | None = None
    """``None`` also where only size limits what is kept."""
    size_limits: tuple[str, ...] = ()
    """``512MB``, ``80%``: beyond them the oldest blocks go."""
    takes_otlp: bool | None = None
    takes_remote_write: bool | None = None
    promoted: tuple[str, ...] = ()
    """Resource attributes that become labels."""
    promotes_all: bool = False
    promotes_scope: bool = False
    naming: str = DEFAULT_NAMING


def prometheus_version(build_page: str) -> str:
    """Return the version a build page names; empty where it is not a Prometheus's.

    Look-alikes take OTLP elsewhere: VictoriaMetrics names no Go version, Mimir names itself.
    """
    data = value_at(read_json(build_page), "data")
    if not isinstance(data, dict) or "goVersion" not in data or "application" in data:
        return ""
    return str(data.get("version") or _UNNAMED)


def read_prometheus(get: Callable[[str], Page]) -> PrometheusFacts | str:
    """Ask for the pages and read them; a sentence where there is no Prometheus to read."""
    page = get(BUILD_PAGE)
    if page.problem:
        return page.problem
    version = prometheus_version(page.text)
    if not version:
        return "something answers, but it is no Prometheus"
    config_page, flags_page, runtime_page = get(_CONFIG_PAGE), get(_FLAGS_PAGE), get(_RUNTIME_PAGE)
    if config_page.problem:
        return config_page.problem
    config = read_yaml(str(value_at(read_json(config_page.text), "data.yaml") or ""))
    if config is None:
        return f"{_CONFIG_PAGE} cannot be read"
    return prometheus_facts(version, config, _data(flags_page), _data(runtime_page))


def prometheus_facts(
    version: str, config: dict[str, Any], flags: dict[str, Any], runtime: dict[str, Any]
) -> PrometheusFacts:
    """Put together what the pages say."""
    limits = [part.strip() for part in str(runtime.get("storageRetention") or "").split(" or ")]
    times = [span_ns for span_ns in map(parse_duration, limits) if span_ns is not None]
    promoted = value_at(config, "otlp.promote_resource_attributes")
    return PrometheusFacts(
        version=version,
        config_file=str(flags.get("config.file") or "prometheus.yaml"),
        window_ns=duration_at(config, "storage.tsdb.out_of_order_time_window") or 0,
        retention_ns=min(times, default=duration_at(config, "storage.tsdb.retention.time")),
        size_limits=tuple(limit for limit in limits if limit and parse_duration(limit) is None),
        takes_otlp=_flag(flags, "web.enable-otlp-receiver"),
        takes_remote_write=_flag(flags, "web.enable-remote-write-receiver"),
        promoted=tuple(map(str, promoted)) if isinstance(promoted, list) else (),
        promotes_all=value_at(config, "otlp.promote_all_resource_attributes") is True,
        promotes_scope=value_at(config, "otlp.promote_scope_metadata") is True,
        naming=str(value_at(config, "otlp.translation_strategy") or DEFAULT_NAMING),
    )


def _flag(flags: dict[str, Any], name: str) -> bool | None:
    return None if name not in flags else flags[name] == "true"


def _data(page: Page) -> dict[str, Any]:
    data = value_at(read_json(page.text), "data")
    return data if isinstance(data, dict) else {}
