from __future__ import annotations

from tests.pipeline.index.keeper import kept
from tests.pipeline.index.world import world

__all__ = ["kept", "world"]
