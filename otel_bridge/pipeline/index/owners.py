"""Whose session a file is: the account that owns it, or whom a central collection names (asks the system for names)."""

from __future__ import annotations

import os
import re
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from otel_bridge.sources.transcript.discover import TranscriptFile, as_text

pwd: Any = import_module("pwd") if find_spec("pwd") else None
"""Windows does not number accounts."""

_COLLECTED = re.compile(r"(?:(?P<user>[^/]+?)_)?\d{4}-\d\d-\d\d_[0-9a-f-]{8,}\.jsonl$")
"""``USER_DATE_ID.jsonl``, or ``DATE_ID.jsonl`` in a folder of the user's name."""


def user_of(file: TranscriptFile) -> str | None:
    """Return whose session a file is, ``None`` where nobody can tell."""
    folder, name = os.path.split(file.path)
    collected = _COLLECTED.match(name)
    if collected:
        name = collected["user"] or os.path.basename(folder)  # noqa: PTH119 - paths are strings
        return as_text(name) or None
    return _account(file.owner_id)


@cache
def _account(owner_id: int) -> str | None:
    if pwd is None:
        return None
    try:
        return str(pwd.getpwuid(owner_id).pw_name)
    except (KeyError, OverflowError):
        return None
