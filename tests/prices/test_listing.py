from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from otel_bridge.errors import NotFoundError
from otel_bridge.prices import known_models, price_rows

At = Callable[[str], int]


def test_rows_of_a_model_cover_terms_dates_and_bands(at: At) -> None:
    """All that ever held for a model is listed by terms, time and band."""
    cut = datetime(2026, 3, 13, tzinfo=UTC)
    rows = [row for row in price_rows("claude-sonnet-4-6[1m]", at("2026-11-21")) if row.terms == "standard"]
    assert [(row.since, row.until, row.above_tokens, row.input, row.output) for row in rows] == [
        (None, cut, 0, 3, 15),
        (None, cut, 200_000, 6, Decimal("22.5")),
        (cut, None, 0, 3, 15),
    ]
    assert {row.model for row in rows} == {"claude-sonnet-4-6"}
    assert {row.source for row in rows} == {"genai-prices 0.2.3"}


def test_rows_name_the_source_of_a_supplement(at: At) -> None:
    """A figure that is not from genai-prices says where it is from."""
    fast = [row for row in price_rows("claude-opus-4-7", at("2026-11-21")) if row.terms == "fast"]
    assert [(row.input, row.output) for row in fast] == [(30, 150)]
    assert "release-notes" in fast[0].source


def test_rows_of_all_models(at: At) -> None:
    """Without a name every known model is listed, all with standard terms."""
    rows = price_rows(None, at("2026-11-21"))
    assert {row.model for row in rows if row.terms == "standard"} == set(known_models())


def test_rows_of_a_regional_endpoint_show_its_premium(at: At) -> None:
    """What is listed under an id is what the id costs."""
    row = price_rows("eu.anthropic.claude-haiku-4-5-20251001-v1:0", at("2026-11-21"))[0]
    assert (row.model, row.input) == ("eu.anthropic.claude-haiku-4-5-20251001-v1:0", Decimal("1.1"))
    assert "regional" in row.source


def test_rows_of_a_third_party_model(at: At) -> None:
    """A model that only genai-prices knows is listed with the price of the moment."""
    (row,) = price_rows("glm-4.6", at("2026-11-21"))
    assert (row.input, row.output, row.cache_read) == (Decimal("0.6"), Decimal("2.2"), Decimal("0.11"))


@pytest.mark.parametrize(
    ("model", "hint"),
    [("claude-opus-4-9", "Did you mean claude-opus-4-8"), ("zork", "`otel-bridge prices` lists")],
)
def test_rows_of_an_unknown_model(model: str, hint: str, at: At) -> None:
    """An unknown model is an error that names its neighbours, or the way to the list."""
    with pytest.raises(NotFoundError, match=hint):
        price_rows(model, at("2026-11-21"))
