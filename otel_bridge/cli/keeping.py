"""What ``sync``, ``watch`` and ``up`` have in common: which folders, which index, where to."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from msgspec import Struct

from otel_bridge.cli.destination import (
    Destination,
    destination,
    endpoint_option,
    has_destination,
    only_option,
    originals_option,
    protocol_option,
    with_paths_option,
    without_missing_pipelines,
)
from otel_bridge.cli.indexed import Source, data_dir_option
from otel_bridge.cli.options import paths_argument, samples_option
from otel_bridge.cli.printable import say
from otel_bridge.output import GrowingFile
from otel_bridge.pipeline.index.passes import IndexOptions
from otel_bridge.settings import environment
from otel_bridge.telemetry import Signal

if TYPE_CHECKING:
    from otel_bridge.convert import ConvertOptions
    from otel_bridge.pipeline.index.dispatch import Target
    from otel_bridge.sinks.otlp.config import OtlpConfig

_NS_PER_MINUTE = 60 * 1_000_000_000
_ASK_S = 2.0
"""Whoever watches does not wait longer to hear which signals a receiver knows."""


class Keeping(Struct, frozen=True):
    """The options as the user gave them."""

    paths: tuple[Path, ...]
    or_samples: bool
    data_dir: Path | None
    with_answers: bool
    endpoint: str | None
    protocol: str | None
    only: tuple[str, ...]
    with_paths: bool
    idle_minutes: int
    file: str | None = None
    """Where spans, events and metrics are appended, too or instead."""
    keeps_originals: bool = False

    def source(self) -> Source:
        """Return the folders to read and the index to keep."""
        return Source(self.paths, self.data_dir, or_samples=self.or_samples)

    def index_options(self, workers: int) -> IndexOptions:
        """Return how to index."""
        return IndexOptions(workers, self.with_answers)

    def convert_options(self) -> ConvertOptions:
        """Return how to convert."""
        from otel_bridge.convert import ConvertOptions
        from otel_bridge.resource import resource_attributes

        return ConvertOptions(
            resource=resource_attributes(environment()),
            original_attributes=self.keeps_originals,
            paths=self.with_paths,
        )

    def destination(self) -> Destination | None:
        """Return where to send to, ``None`` where no endpoint is set.

        Raises:
            UsageError: an endpoint makes no sense.
        """
        if self.file is None and not has_destination(environment(), self.endpoint):
            return None
        signals = tuple(map(Signal, self.only)) or tuple(Signal)
        return destination(
            environment(), signals, endpoint=self.endpoint, protocol=self.protocol, file=self.file, to_console=False
        )

    def next_hops(self, to: Destination) -> list[OtlpConfig]:
        """Return how what is received is passed on: as far as the endpoint is there to say what it takes."""
        return list(without_missing_pipelines(to, within_s=_ASK_S).otlp)

    def target(
        self,
        to: Destination,
        *,
        give_up_s: float,
        tell: Callable[[str], None] = say,
        notify: Callable[[str], None] = say,
        is_modest: bool = False,
        file: GrowingFile | None = None,
    ) -> Target:
        """Return the target of the ledger; a signal that its endpoint knows nothing of is left out, which is told.

        ``file`` is the open one of ``self.file``.
        """
        from otel_bridge.cli.shipping import target_of
        from otel_bridge.pipeline.index.shipping import ShipOptions

        reachable = to if self.only else without_missing_pipelines(to, within_s=_ASK_S if is_modest else math.inf)
        for sentence in reachable.nowhere:
            tell(f"! {sentence}")
        options = ShipOptions(
            self.convert_options(),
            tuple(config.signal for config in reachable.otlp) if to.otlp else tuple(Signal),
            self.idle_minutes * _NS_PER_MINUTE,
        )
        return target_of(reachable, options, give_up_s=give_up_s, notify=notify, is_modest=is_modest, file=file)


idle_option = click.option(
    "--idle", "idle_minutes", type=click.IntRange(min=1, max=30), default=30, show_default=True, metavar="MINUTES",
    help="Send a turn that is not over after so long without activity.",
)  # fmt: skip


def keeping_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add PATH… and the options of ``Keeping`` to a command, which gets them as ``keeping``."""

    @wraps(function)
    def with_keeping(**options: Any) -> Any:
        own = {name: options.pop(name) for name in Keeping.__struct_fields__ if name in options}
        return function(keeping=Keeping(**own), **options)

    for option in reversed((
        paths_argument,
        samples_option,
        data_dir_option,
        click.option("--index-answers", "with_answers", is_flag=True,
                     help="Let answers of models be searched too, of lines read from now on."),
        endpoint_option,
        protocol_option,
        only_option,
        with_paths_option,
        originals_option,
        idle_option,
    )):  # fmt: skip
        with_keeping = option(with_keeping)
    return with_keeping
