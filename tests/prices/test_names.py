from __future__ import annotations

import pytest

from otel_bridge.prices.names import parse_model


@pytest.mark.parametrize(
    ("model", "base"),
    [
        ("claude-opus-4-6", "claude-opus-4-6"),
        ("claude-opus-4-6[1m]", "claude-opus-4-6"),
        ("Claude-Opus-4.6", "claude-opus-4-6"),
        ("claude-haiku-4-5-20251001", "claude-haiku-4-5"),
        ("claude-sonnet-4-5-20250929[1m]", "claude-sonnet-4-5"),
        ("claude-haiku-4-5@20251001", "claude-haiku-4-5"),
        ("claude-opus-5-latest", "claude-opus-5"),
        ("claude-opus-5-2026-07-24", "claude-opus-5"),
        ("claude-opus-4-20250514", "claude-opus-4"),
        ("claude-opus-4-0", "claude-opus-4"),
        ("claude-4-opus-20250514", "claude-opus-4"),
        ("claude-opus-4-1-20250805", "claude-opus-4-1"),
        ("claude-3-5-haiku-20241022", "claude-haiku-3-5"),
        ("claude-3-5-haiku-latest", "claude-haiku-3-5"),
        ("claude-haiku-3-5", "claude-haiku-3-5"),
        ("claude-3-5-sonnet-v2@20241022", "claude-sonnet-3-5"),
        ("claude-3.7-sonnet", "claude-sonnet-3-7"),
        ("claude-3-opus-20240229", "claude-opus-3"),
        ("anthropic/claude-opus-4.6", "claude-opus-4-6"),
        ("global.anthropic.claude-sonnet-4-20250514-v1:0", "claude-sonnet-4"),
        ("us.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.anthropic.claude-opus-5", "claude-opus-5"),
    ],
)
def test_parse_model_finds_the_base(model: str, base: str) -> None:
    """Every way to write the id of one model gives one canonical name."""
    assert parse_model(model).base == base


@pytest.mark.parametrize(
    "model", ["claude-opus-5-fast", "claude-opus-4-6x", "my-claude-opus-4-6", "claude-3-sonnet-mini", "gpt-5", "", "\n"]
)
def test_parse_model_leaves_other_ids_alone(model: str) -> None:
    """What only looks like a Claude id is not bent into one."""
    assert parse_model(model).base == model


@pytest.mark.parametrize(
    ("model", "is_regional"),
    [
        ("claude-opus-4-6", False),
        ("claude-opus-4-6@20260205", False),
        ("global.anthropic.claude-opus-4-6-v1:0", False),
        ("us.anthropic.claude-opus-4-6-v1:0", True),
        ("us-gov.anthropic.claude-opus-4-6-v1:0", True),
        ("apac.anthropic.claude-opus-4-6-v1:0", True),
        ("anthropic.claude-opus-4-6-v1:0", True),
    ],
)
def test_parse_model_knows_regional_endpoints(model: str, is_regional: bool) -> None:
    """Only Bedrock ids without the global prefix are regional."""
    assert parse_model(model).is_regional is is_regional


def test_parse_model_gives_the_generation() -> None:
    """Major and minor version are numbers, so that 4-10 would be newer than 4-6."""
    assert parse_model("claude-opus-4-10").generation == (4, 10)
    assert parse_model("claude-3-5-haiku").generation == (3, 5)
    assert parse_model("gpt-5").generation == (0, 0)
