"""One line of bytes → typed records and, where the line is damaged, the reasons (pure).

The fast path is one typed decode. Only a line that fails it is looked at again: leading NULs are dropped, broken
UTF-8 is replaced, records joined by a lost newline are split, and fields of a wrong type are removed one by one,
so that the good part of a damaged line is never lost.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeVar

import msgspec

from otel_bridge.sources.transcript.records import CountRecord, Record

RecordT = TypeVar("RecordT", bound=CountRecord)

_MAX_REPAIRS = 24
_ERROR_PATH = re.compile(r" - at `\$([^`]*)`")
_PATH_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]|\[\.\.\.\]")


class Repaired(NamedTuple):
    """What a line gave: its records (more than one where newlines were lost) and what was wrong with it."""

    records: tuple[Record, ...]
    flaws: tuple[tuple[str, str], ...]
    """Pairs of reason and detail; empty for a sound line."""


Decode = Callable[[bytes], RecordT]
"""The fast path: raises ``msgspec.MsgspecError`` or ``UnicodeDecodeError`` on a damaged line."""

decode_record: Decode[Record] = msgspec.json.Decoder(Record).decode
decode_count: Decode[CountRecord] = msgspec.json.Decoder(CountRecord).decode


def repair_line(raw: bytes) -> Repaired:
    """Return what can be saved of a line that ``decode_record`` refused. Never raises."""
    flaws: list[tuple[str, str]] = []
    text = _readable(raw, flaws)
    records = []
    try:
        for value in _json_values(text, flaws):
            record = _convert(value, flaws)
            if record is not None:
                records.append(record)
    except RecursionError:
        flaws.append(("too_deep", "nested deeper than the parser allows"))
    return Repaired(tuple(records), tuple(flaws))


def _convert(value: Any, flaws: list[tuple[str, str]]) -> Record | None:
    if not isinstance(value, dict):
        flaws.append(("not_an_object", type(value).__name__))
        return None
    for _ in range(_MAX_REPAIRS):
        try:
            return decode_record(msgspec.json.encode(value))
        except msgspec.ValidationError as error:
            flaws.append(("bad_type", str(error)[:160]))
            if not _remove_offender(value, str(error)):
                return None
        except (msgspec.MsgspecError, ValueError, OverflowError) as error:
            flaws.append(("bad_value", str(error)[:160]))
            return None
    return None


def _readable(raw: bytes, flaws: list[tuple[str, str]]) -> str:
    stripped = raw.lstrip(b"\0 \t\r")
    if b"\0" in raw:
        flaws.append(("nul_bytes", f"{raw.count(0)} NUL bytes"))
        stripped = stripped.replace(b"\0", b"")
    try:
        return stripped.decode()
    except UnicodeDecodeError as error:
        flaws.append(("bad_utf8", f"byte {error.start}: {error.reason}"))
        return stripped.decode("utf-8", "replace")


def _json_values(text: str, flaws: list[tuple[str, str]]) -> Iterator[Any]:
    """Yield the JSON values of a line, one after the other; a tail that is no JSON is a flaw."""
    decoder = json.JSONDecoder(parse_constant=lambda _: None)
    at, count = 0, 0
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError as error:
            flaws.append(("bad_json", f"{error} in {text[at : at + 40]!r}"[:160]))
            return
        count += 1
        if count == 2:
            flaws.append(("joined_records", "several records on one line"))
        yield _without_surrogates(value)
        while at < len(text) and text[at].isspace():
            at += 1


def _without_surrogates(value: Any) -> Any:
    """Replace lone surrogates, which JSON escapes allow and UTF-8 does not."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    return value


def _remove_offender(value: dict[str, Any], message: str) -> bool:
    """Remove the field a validation error names; the error leaves list positions open, so from every list entry."""
    found = _ERROR_PATH.search(message)
    steps = [name or "*" for name, _ in _PATH_STEP.findall(found[1])] if found else []
    return bool(steps) and _remove(value, steps)


def _remove(value: Any, steps: list[str]) -> bool:
    head, rest = steps[0], steps[1:]
    if head == "*":
        if not isinstance(value, list):
            return False
        if not rest:
            value.clear()
            return True
        return any([_remove(item, rest) for item in value])  # every entry, not only the first
    if not isinstance(value, dict) or head not in value:
        return False
    if not rest:
        del value[head]
        return True
    if _remove(value[head], rest):
        return True
    del value[head]
    return True
