"""What of settings files and environment a client goes by (pure; order and locks as documented and seen in 2.1.329)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec import Struct

from otel_bridge.client_env.variables import BETA_SWITCH, ENDPOINT, HEADERS, OTHER_BETA_SWITCH, SWITCH
from otel_bridge.telemetry import Signal

_OTLP = "OTEL_EXPORTER_OTLP_"
_TRUE = frozenset({"1", "true", "yes", "on"})


class Layer(Struct, frozen=True):
    """One place that says something, such as a settings file."""

    place: str
    """As people are told: a path, or ``the environment``."""
    env: Mapping[str, str]
    has_headers_helper: bool = False
    is_managed: bool = False
    """True for what an administrator wrote: it locks where telemetry goes."""


class Value(Struct, frozen=True):
    """The value a client goes by, and who says so."""

    name: str
    text: str
    place: str

    def __str__(self) -> str:
        """Return it as a person is told."""
        return f"{self.name}={self.text} ({self.place})"


class ClientView:
    """The variables a client goes by. Of the layers, given from the weakest to the strongest, the last one wins."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = layers
        self._values: dict[str, Value] = {}
        self.locked_out: list[Value] = []
        """Endpoints that managed settings do away with."""
        for layer in layers:
            if layer.is_managed:
                self._lock(layer)
            for name, text in layer.env.items():
                if text.strip():
                    self._values[name] = Value(name, text.strip(), layer.place)

    @property
    def has_headers_helper(self) -> bool:
        """True if a program makes the headers."""
        return any(layer.has_headers_helper for layer in self.layers)

    @property
    def is_on(self) -> bool:
        """True if the client sends anything at all."""
        return self.says(SWITCH)

    def value(self, name: str) -> Value | None:
        """Return what counts of a variable; an empty one is none."""
        return self._values.get(name)

    def says(self, name: str) -> bool:
        """Return whether a switch is on."""
        value = self.value(name)
        return value is not None and value.text.lower() in _TRUE

    def exporters(self, signal: Signal) -> frozenset[str]:
        """Return where a signal goes to: ``otlp``, ``console`` and so on; ``none`` is nowhere."""
        value = self.value(exporter_variable(signal))
        names = value.text.split(",") if value else []
        return frozenset(name.strip() for name in names) - {"", "none"}

    @property
    def sent(self) -> list[Signal]:
        """The signals that go out by OTLP."""
        return [signal for signal in Signal if "otlp" in self.exporters(signal)]

    @property
    def sends_spans(self) -> bool:
        """True if spans go out: they are a beta with a switch of its own."""
        return self.is_on and self.is_beta and Signal.TRACES in self.sent

    @property
    def is_beta(self) -> bool:
        """True if the client makes spans, by either name of the switch."""
        return self.says(BETA_SWITCH) or self.says(OTHER_BETA_SWITCH)

    def exporter_variables(self) -> dict[str, str]:
        """Return the variables of the OTLP exporters."""
        return {name: value.text for name, value in self._values.items() if name.startswith(_OTLP)}

    def otlp(self, signal: Signal, suffix: str) -> Value | None:
        """Return an exporter variable of a signal: its own, else the one for all."""
        return self.value(f"OTEL_EXPORTER_OTLP_{signal.upper()}_{suffix}") or self.value(f"OTEL_EXPORTER_OTLP_{suffix}")

    def _lock(self, managed: Layer) -> None:
        """Forget endpoints of weaker layers where managed settings name one, or bring credentials."""
        has_credentials = managed.has_headers_helper or bool(managed.env.get(HEADERS, "").strip())
        is_pinned = bool(managed.env.get(ENDPOINT, "").strip())
        own = [f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT" for signal in Signal]
        for name in [*(own if is_pinned or has_credentials else []), *([ENDPOINT] if has_credentials else [])]:
            if value := self._values.pop(name, None):
                self.locked_out.append(value)
        if is_pinned and (value := self._values.get(ENDPOINT)) and value.text != managed.env[ENDPOINT].strip():
            self.locked_out.append(value)


def exporter_variable(signal: Signal) -> str:
    """Return the variable that says where a signal goes."""
    return f"OTEL_{signal.upper()}_EXPORTER"
