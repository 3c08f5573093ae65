"""Opening OTLP sinks from their configurations (I/O)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from msgspec import structs

from otel_bridge.sinks import Sink
from otel_bridge.sinks.fanout import BySignal
from otel_bridge.sinks.otlp.config import OtlpConfig
from otel_bridge.sinks.otlp.courier import Courier
from otel_bridge.sinks.otlp.delivery import IN_FLIGHT, OnSettled, OtlpSink
from otel_bridge.sinks.otlp.packing import DEFAULT_LIMITS, METRIC_LIMITS, Limits, Packer
from otel_bridge.sinks.otlp.retry import DEFAULT_RETRY, RetryPolicy
from otel_bridge.sinks.otlp.transport import make_encoder, open_transport
from otel_bridge.telemetry import Scope, Signal


def open_otlp_sink(
    configs: Iterable[OtlpConfig],
    *,
    scope: Scope,
    limits: Limits | None = None,
    max_items: int | None = None,
    retry: RetryPolicy = DEFAULT_RETRY,
    in_flight: int = IN_FLIGHT,
    in_queue: int = 0,
    notify: Callable[[str], None] = lambda _: None,
    on_settled: OnSettled = lambda _, __: None,
) -> Sink:
    """Open a sink for the signals of the configurations; other signals are skipped on purpose.

    ``max_items`` takes the place of the usual number in a request: fewer need less memory. ``notify`` is told, once per
    signal and from any thread, that the receiver has to be waited for; ``on_settled``, in the caller's thread, of items
    that need not be sent again. Nothing is connected before the first request. UsageError if certificates or a proxy
    cannot be used.
    """

    def open_signal(config: OtlpConfig) -> OtlpSink:
        encoder = make_encoder(config, scope)
        transport = open_transport(config, encoder.content_type, in_flight)
        place = f"{config.target.place} ({config.protocol})"
        courier = Courier(config.signal, place, encoder, transport, retry, notify=notify)
        usual = METRIC_LIMITS if config.signal is Signal.METRICS else DEFAULT_LIMITS
        wanted = limits or usual
        if max_items is not None:
            wanted = structs.replace(wanted, max_items=max_items)
        return OtlpSink(
            config.signal, Packer(encoder, wanted), courier, in_flight, in_queue=in_queue, on_settled=on_settled
        )

    return BySignal({config.signal: open_signal(config) for config in configs})
