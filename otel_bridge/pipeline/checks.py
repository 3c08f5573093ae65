"""What a check of ``doctor`` found (pure)."""

from __future__ import annotations

from decimal import Decimal

from msgspec import Struct

OK, WARNING, FAILED = "ok", "warning", "failed"


class Fix(Struct, frozen=True):
    """One line of one configuration file, and what to set it to."""

    file: str
    setting: str
    """Its path in the file (``storage.tsdb.retention.time``), or a flag (``--web.enable-otlp-receiver``)."""
    value: str = ""

    def __str__(self) -> str:
        """Return it as a person is told."""
        return f"{self.file}: {self.setting}" + (f": {self.value}" if self.value else "")


class Loss(Struct, frozen=True):
    """What sessions would lose by one setting."""

    sessions: int
    """Sessions of which nothing would be left."""
    shortened_sessions: int
    """Sessions that would lose their earlier part."""
    cost_usd: Decimal
    """The part of their cost that no query would find any more."""


class Check(Struct, frozen=True):
    """One thing looked at."""

    name: str
    verdict: str
    """``ok``, ``warning`` or ``failed``."""
    found: str
    advice: str = ""
    fixes: tuple[Fix, ...] = ()
    loss: Loss | None = None
