"""A session's title: custom before generated before summary, the last one written wins (pure)."""

from __future__ import annotations

from otel_bridge.sources.transcript.records import CountRecord

TITLE_RANK = {"custom-title": 3, "ai-title": 2, "summary": 1}
"""CountRecord types that carry a title, the higher the better."""


class TitleKeeper:
    """Keeps the best title of the records it is shown."""

    def __init__(self) -> None:
        self._rank = 0
        self.title: str | None = None

    def add(self, record: CountRecord) -> None:
        """Look at one record of a type in ``TITLE_RANK``."""
        rank = TITLE_RANK[record.type or ""]
        text = record.customTitle or record.aiTitle or record.summary
        if text and rank >= self._rank:
            self._rank, self.title = rank, text.strip()
