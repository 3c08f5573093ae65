"""A session's title: custom before generated before summary, the last one written wins (pure)."""

from __future__ import annotations

from otel_bridge.sources.transcript.records import CountRecord

TITLE_RANK = {"custom-title": 3, "ai-title": 2, "summary": 1}
"""Record types that carry a title, the higher the better."""


class TitleKeeper:
    """Keeps the best title of the records it is shown."""

    def __init__(self) -> None:
        self.title: str | None = None
        self._rank = 0
        self._least_rank = 0

    def start_file(self) -> None:
        """Begin a file: what an earlier file says is only replaced by a better kind of title."""
        self._least_rank = self._rank + 1

    def add(self, record: CountRecord, *, is_own: bool) -> None:
        """Look at one record of a type in ``TITLE_RANK``.

        Old clients begin a file with summaries of other sessions: they are not ``is_own``.
        """
        kind = record.type or ""
        rank = TITLE_RANK[kind]
        text = (record.customTitle or record.aiTitle or record.summary or "").strip()
        if text and rank >= max(self._rank, self._least_rank) and (is_own or kind != "summary"):
            self._rank, self._least_rank, self.title = rank, 0, text
