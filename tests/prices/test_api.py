from __future__ import annotations

import subprocess
import sys

import otel_bridge.prices

WITHOUT_GENAI_PRICES = """
import sys
from otel_bridge.model import Usage
from otel_bridge.prices import price_usd
assert price_usd("claude-opus-4-6", Usage(1, 2, 3, 4, 5), 0) is not None
assert price_usd("claude-opus-4-9", Usage(1, 2, 3, 4, 5), 0) is None
print({"genai_prices", "pydantic", "httpx2", "difflib"} & set(sys.modules))
"""


def test_claude_prices_do_not_import_genai_prices() -> None:
    """Pricing Claude models, known or not, costs no third-party import."""
    run = subprocess.run([sys.executable, "-c", WITHOUT_GENAI_PRICES], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"


def test_public_names_exist() -> None:
    """What the package says it offers is there."""
    names = otel_bridge.prices.__all__
    assert names == sorted(names)
    assert all(hasattr(otel_bridge.prices, name) for name in names)
