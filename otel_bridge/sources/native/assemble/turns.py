"""The events of a session dealt out to its turns (pure)."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from otel_bridge.model import IDLE_TURN_NS
from otel_bridge.sources.native.assemble.lanes import MAIN_LANE, Lanes
from otel_bridge.sources.native.assemble.times import started_ns
from otel_bridge.sources.native.records import AnyEvent, UserPrompt, record_key

NO_PROMPT = "start"
"""Key of what came before the first prompt of a session without any."""


class TurnEvents(Struct):
    """What belongs to one turn, or to a continuation of it."""

    key: str
    ordinal: int
    events: list[AnyEvent] = field(default_factory=list)
    """In time order, those of sub-agents too."""
    prompt: UserPrompt | None = None
    main: list[AnyEvent] = field(default_factory=list)
    """Those of the main agent."""

    def started_ns(self) -> int:
        """Return when the first thing of the main agent began; without one, of any."""
        return min(map(started_ns, self.main or self.events))

    def ended_ns(self) -> int:
        """Return when the last thing of the main agent ended; without one, of any."""
        return max(event.time_ns for event in self.main or self.events)


class PromptFinder:
    """Finds the prompt of an event: it names it (2.1.50+), or its trace does, or it came last before it."""

    def __init__(self, events: Sequence[AnyEvent]) -> None:
        self._by_trace: dict[bytes, str] = {}
        for event in events:
            if event.prompt_id and event.trace_id:
                self._by_trace.setdefault(event.trace_id, event.prompt_id)
        self.prompts = [event for event in events if isinstance(event, UserPrompt)]
        self._times = [prompt.time_ns for prompt in self.prompts]
        self._keys = [prompt_key(prompt) for prompt in self.prompts]

    def key(self, event: AnyEvent) -> str:
        """Return the key of the turn an event belongs to."""
        if event.prompt_id:
            return event.prompt_id
        if isinstance(event, UserPrompt):
            return prompt_key(event)
        return self.of_trace(event.trace_id) or self.before(event.time_ns)

    def of_trace(self, trace_id: bytes) -> str | None:
        """Return the prompt that the events of a trace name."""
        return self._by_trace.get(trace_id) if trace_id else None

    def before(self, at_ns: int) -> str:
        """Return the latest prompt up to a time, else the first one."""
        place = max(bisect_right(self._times, at_ns) - 1, 0)
        return self._keys[place] if self._keys else NO_PROMPT


def prompt_key(prompt: UserPrompt) -> str:
    """Return the prompt's id; before 2.1.50 there is none, and the event itself stands for it."""
    return prompt.prompt_id or record_key(prompt).hex()


def deal_out(events: Sequence[AnyEvent], finder: PromptFinder, lanes: Lanes) -> list[TurnEvents]:
    """Return the turns in the order they began; a pause of 30 minutes cuts one, as it does in transcripts."""
    by_key: dict[str, list[AnyEvent]] = {}
    for event in events:
        by_key.setdefault(finder.key(event), []).append(event)
    parts = [part for key, own in by_key.items() for part in _cut(key, own, lanes)]
    return sorted(parts, key=lambda part: (part.started_ns(), part.key, part.ordinal))


def _cut(key: str, events: Iterable[AnyEvent], lanes: Lanes) -> list[TurnEvents]:
    parts = [TurnEvents(key, 0)]
    agents_parts: dict[str, TurnEvents] = {}
    last_ns = 0
    for event in events:
        lane = lanes.of(event)
        if lane != MAIN_LANE:  # a run stays whole, where it began
            agents_parts.setdefault(lane, parts[-1]).events.append(event)
            continue
        if parts[-1].main and event.time_ns - last_ns > IDLE_TURN_NS:
            parts.append(TurnEvents(key, len(parts)))
        last_ns = event.time_ns
        parts[-1].events.append(event)
        parts[-1].main.append(event)
        if isinstance(event, UserPrompt) and parts[-1].prompt is None and parts[-1].ordinal == 0:
            parts[-1].prompt = event
    return parts
