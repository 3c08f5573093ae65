"""What a client is told by its settings files and the environment (I/O: reads files)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import Struct

from otel_bridge.client_env.settings_text import settings_document
from otel_bridge.client_env.view import ClientView, Layer
from otel_bridge.errors import UsageError
from otel_bridge.pipeline.checks import WARNING, Check
from otel_bridge.pipeline.client_checks import judge_client, judge_project
from otel_bridge.pipeline.settings_file import SettingsFile
from otel_bridge.sinks.otlp.config import OtlpConfig, otlp_config
from otel_bridge.sinks.otlp.variables import PREFIX
from otel_bridge.telemetry import Signal

_DROP_INS = "managed-settings.d"
_PREFIXES = ("OTEL_", "CLAUDE_CODE_", "ENABLE_", "BETA_")


class Client(Struct, frozen=True):
    """What a client goes by, as it was found."""

    view: ClientView
    projects: tuple[Layer, ...]
    """Settings of the project it would be started in: they enable nothing."""
    unreadable: tuple[Check, ...]


def read_client(env: Mapping[str, str], *, user: Path, managed: Path, project: Path) -> Client:
    """Read the environment and all settings files that a client started in a folder would read."""
    unreadable: list[Check] = []
    view = _view(env, user, managed, unreadable)
    files = [project / ".claude" / name for name in ("settings.json", "settings.local.json")]
    projects = list(_layers([file for file in files if not _is_same(file, user)], unreadable))
    return Client(view, tuple(projects), tuple(unreadable))


class SpanSender:
    """Tells whether a client sends spans by its settings, which may change any moment; they are read when they do."""

    def __init__(self, env: Mapping[str, str], *, user: Path, managed: Path) -> None:
        self._env = env
        self._user = user
        self._managed = managed
        self._stamps: list[tuple[int, int, int] | None] | None = None
        self._sends_spans = False

    def __call__(self) -> bool:
        """Tell whether it does. Settings that cannot be read say nothing."""
        stamps = [_stamp(path) for path in (self._user, *_managed_files(self._managed))]
        if stamps != self._stamps:
            self._stamps = stamps
            self._sends_spans = _view(self._env, self._user, self._managed, []).sends_spans
        return self._sends_spans


def check_client(client: Client) -> list[Check]:
    """Say what keeps the client's own telemetry from arriving, as far as settings and environment tell."""
    checks = judge_client(client.view)
    for layer in client.projects:
        checks += judge_project(layer.place, layer.env)
    return [*checks, *client.unreadable]


def client_ways(env: Mapping[str, str], view: ClientView) -> dict[Signal, OtlpConfig]:
    """Return the way of each signal that the client sends; of one that is set up wrong, none: that is judged already.

    Headers of an ``otelHeadersHelper`` are not known here.
    """
    told = {name: env[name] for name in env if not name.startswith(PREFIX)} | view.exporter_variables()
    ways = {}
    for signal in view.sent if view.is_on else ():
        with suppress(UsageError):
            ways[signal] = otlp_config(told, signal)
    return ways


def _view(env: Mapping[str, str], user: Path, managed: Path, unreadable: list[Check]) -> ClientView:
    environment = Layer("the environment", {name: env[name] for name in env if name.startswith(_PREFIXES)})
    own = _layers([user], unreadable)
    return ClientView([environment, *own, *_layers(_managed_files(managed), unreadable, is_managed=True)])


def _is_same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what differs when a file was written."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def _managed_files(managed: Path) -> list[Path]:
    """Return the administrator's file and the parts beside it, in the order in which they are laid on each other."""
    try:
        parts = sorted(path for path in (managed.parent / _DROP_INS).glob("*.json") if not path.name.startswith("."))
    except OSError:
        parts = []
    return [managed, *parts]


def _layers(paths: Iterable[Path], unreadable: list[Check], *, is_managed: bool = False) -> Iterable[Layer]:
    for path in paths:
        try:
            document = settings_document(SettingsFile(path).text)
        except (OSError, ValueError, RecursionError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            advice = "mend it: the client leaves out settings that it cannot read"
            unreadable.append(Check("client settings", WARNING, f"{path}: {reason}", advice))
            continue
        helper = document.get("otelHeadersHelper")
        has_helper = isinstance(helper, str) and bool(helper.strip())
        if document.get("env") or has_helper or not is_managed:
            yield Layer(str(path), _texts(document.get("env", {})), has_helper, is_managed)


def _texts(env: Mapping[str, Any]) -> dict[str, str]:
    """Return the variables as the client hands them on."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in env.items()}
