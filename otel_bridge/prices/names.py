"""Model ids as clients, clouds and resellers write them, reduced to one canonical name (pure).

Nothing is matched by prefix: ``claude-fable-5-3`` is its own, unknown model and not a kind of ``claude-fable-5``.
"""

from __future__ import annotations

import re

from msgspec import Struct

_CLAUDE = re.compile(
    r"""
    (?:.*/)?                                                            # reseller or ARN: anthropic/…, arn:aws:…/…
    (?:(?:(?P<region>[a-z]+(?:-[a-z]+)*)\.)?(?P<bedrock>anthropic)\.)?  # Bedrock: eu.anthropic.…
    claude-
    (?: (?P<family>[a-z]+) - (?P<major>\d{1,2}) (?:[-.](?P<minor>\d{1,2}))?
      | (?P<old_major>\d{1,2}) (?:[-.](?P<old_minor>\d{1,2}))? - (?P<old_family>[a-z]+) )
    (?: [-@]\d{8} | -\d{4}-\d\d-\d\d | [-@]latest | @default | -v\d+(?::\d+)? )*
    (?:\[1m\])?
    """,
    re.VERBOSE,
)


class ModelName(Struct, frozen=True):
    """A model id taken apart."""

    base: str
    """``claude-<family>-<major>[-<minor>]``; for anything else the id itself in lower case."""
    generation: tuple[int, int] = (0, 0)
    """Major and minor version of a Claude model, ``(0, 0)`` for anything else."""
    is_regional: bool = False
    """True for Bedrock's regional endpoints and inference profiles (any prefix but ``global.``)."""


def parse_model(model: str) -> ModelName:
    """Take an id apart: date, ``-latest``, ``-v1:0`` and ``[1m]`` go, Claude 3 gets today's word order."""
    lowered = model.lower()
    found = _CLAUDE.fullmatch(lowered)
    if found is None:
        return ModelName(lowered)
    family = found["family"] or found["old_family"]
    major = int(found["major"] or found["old_major"])
    minor = int(found["minor"] or found["old_minor"] or 0)
    return ModelName(
        base=f"claude-{family}-{major}" + (f"-{minor}" if minor else ""),
        generation=(major, minor),
        is_regional=found["bedrock"] is not None and found["region"] != "global",
    )


def is_claude(model: str) -> bool:
    """Tell whether an id names a Claude model, known or not."""
    return "claude" in model.lower()
