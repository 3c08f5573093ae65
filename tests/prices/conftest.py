from __future__ import annotations

import importlib.util
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType

import pytest

from otel_bridge.prices.rates import epoch_ns


@pytest.fixture(scope="session")
def at() -> Callable[[str], int]:
    """Nanoseconds since the epoch of an ISO date or time in UTC."""
    return lambda instant: epoch_ns(datetime.fromisoformat(instant).replace(tzinfo=UTC))


@pytest.fixture(scope="session")
def make_price_table() -> ModuleType:
    """Load the tool that writes the price table from its file."""
    path = Path(__file__).parents[2] / "tools" / "make_price_table.py"
    spec = importlib.util.spec_from_file_location("make_price_table", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
