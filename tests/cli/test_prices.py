from __future__ import annotations

import pytest

from tests.cli.invoke import Invoke


@pytest.mark.parametrize("name", ["claude-haiku-4-5", "claude-haiku-4-5-20251001", "claude-haiku-4-5[1m]"])
def test_a_model_is_found_in_any_of_its_forms(invoke: Invoke, name: str) -> None:
    """An id with a date or a mark has the price of its model."""
    standard, *_ = invoke("prices", name, "--json").json
    assert {key: standard[key] for key in ("input", "output", "cache_read", "cache_write_5m", "cache_write_1h")} == {
        "input": "1",
        "output": "5",
        "cache_read": "0.1",
        "cache_write_5m": "1.25",
        "cache_write_1h": "2",
    }


def test_all_models_are_listed(invoke: Invoke) -> None:
    """The table has every model that is priced, with the unit and where the figures come from."""
    done = invoke("prices")
    for words in ("USD per million tokens", "claude-opus-5", "claude-haiku-5-5", "> 100,000", "[1] "):
        assert words in done.out
    assert {row["model"] for row in invoke("prices", "--json").json} >= {"claude-opus-5", "claude-sonnet-4-5"}


def test_an_unknown_model_is_an_error(invoke: Invoke) -> None:
    """No price is better than a wrong one; the sentence names what was asked for."""
    done = invoke("prices", "gpt-99")
    assert (done.code, done.out) == (3, "")
    assert "gpt-99" in done.err
