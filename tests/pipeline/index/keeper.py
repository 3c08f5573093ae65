"""A keeper of a world, with a receiver behind it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from otel_bridge.convert import ConvertOptions
from otel_bridge.pipeline.index.dispatch import Target
from otel_bridge.pipeline.index.keeping import Keeper
from otel_bridge.pipeline.index.passes import IndexOptions
from otel_bridge.pipeline.index.shipping import ShipOptions
from otel_bridge.sources.native.records import NativeRecord
from otel_bridge.telemetry import Signal
from tests.pipeline.index.receiver import PLACES, Receiver
from tests.pipeline.index.world import World
from tests.transcripts import SID, at_ns, prompt, response, session_file


class Kept:
    """A world kept up to date by a keeper, with a receiver behind it."""

    def __init__(self, world: World, *, idle_s: float = 1800, roots: Callable[[], list[Path]] | None = None) -> None:
        self.world = world
        self.receiver = Receiver()
        self.said: list[str] = []
        self.targets = 0
        """How often it was asked where to ship to."""
        self._options = ShipOptions(ConvertOptions(), tuple(Signal), round(idle_s * 1e9))
        self.keeper = Keeper(
            world.place,
            roots or (lambda: [world.projects]),
            options=IndexOptions(),
            find_target=self._find,
            clock=lambda: at_ns(world.now),
            notify=self.said.append,
        )

    def _find(self) -> Target:
        self.targets += 1
        return Target(PLACES, self.receiver.open, self._options)

    def wait(self, seconds: float) -> None:
        self.world.now += seconds


@pytest.fixture
def kept(world: World) -> Kept:
    """Return a keeper of one session, of which nothing has been looked at."""
    session_file(world.root, SID, prompt(), response("msg_1", at=1))
    return Kept(world)


def path_of(kept: Kept) -> Path:
    return kept.world.projects / "-home-dev-widgets" / f"{SID}.jsonl"


def put(kept: Kept, records: list[NativeRecord]) -> None:
    """Leave records in the inbox, as a receiver does, and make a round."""
    with ThreadPoolExecutor(1) as threads:
        stored = threads.submit(kept.keeper.inbox.put, records, 5)
        while not stored.done():
            kept.keeper.round(frozenset())
        assert stored.result()
