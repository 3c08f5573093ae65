"""Secrets out of what is kept of a file, before any of it is stored or put together (pure).

Texts to search are redacted where they are read; here is what else somebody may have typed. Rows are made of this, so
they have no more in them.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from otel_bridge.redact import redact
from otel_bridge.sources.transcript.assemble.entries import PromptEntry, ResponseEntry, ToolUse
from otel_bridge.sources.transcript.assemble.extract import FileExtract
from otel_bridge.sources.transcript.decode import DECODE_ERRORS
from otel_bridge.sources.transcript.load import decode_meta

_redact_again = lru_cache(4096)(redact)
"""For what comes again and again: paths, programs."""


def redact_extract(extract: FileExtract) -> None:
    """Take secrets out of an extract: title, names of commands, what tools and sub-agents were asked for."""
    asides = extract.asides
    asides.title = asides.title and redact(asides.title)
    for entry in extract.entries():
        if type(entry) is ResponseEntry:
            for use in entry.tool_uses:
                _redact_use(use)
        elif type(entry) is PromptEntry:
            entry.command = entry.command and _redact_again(entry.command)


def redacted_meta(raw: bytes) -> bytes:
    """Return a sub-agent's meta file without secrets: the fields that are read; a damaged one as text."""
    try:
        meta = decode_meta(raw)
    except DECODE_ERRORS:
        return redact(raw.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    meta.description = meta.description and redact(meta.description)
    return msgspec.json.encode(meta)


def _redact_use(use: ToolUse) -> None:
    use.description = use.description and redact(use.description)
    use.file_path = use.file_path and _redact_again(use.file_path)
    use.executable = use.executable and _redact_again(use.executable)
    use.skill = use.skill and _redact_again(use.skill)
