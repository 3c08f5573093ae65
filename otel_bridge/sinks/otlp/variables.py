"""Reading ``OTEL_EXPORTER_OTLP_…`` variables: the one of the signal first, then the generic one (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from otel_bridge.telemetry import Signal

PREFIX = "OTEL_EXPORTER_OTLP_"


class Setting(NamedTuple):
    """A value and what to call it when it is wrong."""

    name: str
    value: str
    is_for_signal: bool = False
    """True when it was given for one signal alone."""


class Variables:
    """The exporter variables of one signal in an environment."""

    def __init__(self, env: Mapping[str, str], signal: Signal) -> None:
        self._env = env
        self._signal = signal

    def read(self, suffix: str) -> Setting | None:
        """Return the setting that counts; an empty variable is none."""
        own, generic = f"{PREFIX}{self._signal.upper()}_{suffix}", f"{PREFIX}{suffix}"
        for name in (own, generic):
            if value := self._env.get(name, "").strip():
                return Setting(name, value, is_for_signal=name == own)
        return None
