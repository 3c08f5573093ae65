"""One line of bytes → typed records and, where the line is damaged, the reasons (pure).

The fast path is one typed decode. Only a line that fails it is looked at again: leading NULs are dropped, broken
UTF-8 is replaced, records joined by a lost newline are split, and fields of a wrong type are removed one by one,
so that the good part of a damaged line is never lost.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from functools import cache
from math import isfinite
from typing import Any, NamedTuple, TypeVar

import msgspec

from otel_bridge.sources.transcript.records import CountRecord, PlainRecord, Record

RecordT = TypeVar("RecordT", bound=CountRecord)
ObjectT = TypeVar("ObjectT")

_RECORD_START = '{"parentUuid":'
"""How a conversation record begins, and nothing inside one does: after a crash it may follow half a line."""

_REPAIRS = 24
_ERROR_PATH = re.compile(r" - at `\$([^`]*)`")
_PATH_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")
_LONGEST_INTEGER = 18
"""Digits that fit into 64 bits."""

_SURROGATE = re.compile("[\ud800-\udfff]")

Flaw = tuple[str, str]
"""Reason and detail."""


class Repaired(NamedTuple):
    """What a line gave: its records (more than one where newlines were lost) and what was wrong with it."""

    records: tuple[Record, ...]
    flaws: tuple[Flaw, ...]
    """Empty for a sound line."""


DECODE_ERRORS = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""What a decoder raises on damaged input; deep nesting is the last."""

Decode = Callable[[bytes], RecordT]
"""The fast path: raises one of ``DECODE_ERRORS`` on a damaged line."""

decode_count: Decode[CountRecord] = msgspec.json.Decoder(CountRecord).decode


@cache
def record_decoder() -> Decode[Record]:
    """Return the decoder of whole records, made when it is first wanted: counting starts faster without it."""
    decode_plain, decode_any = msgspec.json.Decoder(PlainRecord).decode, msgspec.json.Decoder(Record).decode

    def decode(raw: bytes) -> Record:
        try:
            return decode_plain(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError):  # if it is about a tool's result, that is left as it is
            return decode_any(raw)

    return decode


def repair_line(raw: bytes) -> Repaired:
    """Return what can be saved of a line that a decoder refused. Never raises."""
    flaws: list[Flaw] = []
    return Repaired(tuple(_saved_objects(raw, record_decoder(), flaws)), tuple(flaws))


def salvage(raw: bytes, decode: Callable[[bytes], ObjectT]) -> ObjectT | None:
    """Return what can be saved of an object inside a record that ``decode`` refused. Never raises."""
    return next(iter(_saved_objects(raw, decode, [])), None)


def _saved_objects(raw: bytes, decode: Callable[[bytes], ObjectT], flaws: list[Flaw]) -> list[ObjectT]:
    saved = []
    try:
        for value in _json_values(_readable(raw, flaws), flaws):
            converted = _convert(value, decode, flaws)
            if converted is not None:
                saved.append(converted)
    except RecursionError:
        flaws.append(("too_deep", "nested deeper than the parser allows"))
    return saved


def _convert(value: Any, decode: Callable[[bytes], ObjectT], flaws: list[Flaw]) -> ObjectT | None:
    """Decode a value, removing what is of a wrong type: first exactly that, after many attempts all around it."""
    if not isinstance(value, dict):
        flaws.append(("not_an_object", type(value).__name__))
        return None
    for longest_path in [99] * _REPAIRS + [2] * _REPAIRS + [1] * _REPAIRS:
        try:
            return decode(msgspec.json.encode(value))
        except msgspec.ValidationError as error:
            flaws.append(("bad_type", str(error)[:160]))
            steps = _error_path(str(error))[:longest_path]
            if not steps or not _remove(value, steps):
                return None
        except (msgspec.MsgspecError, ValueError, OverflowError) as error:
            flaws.append(("bad_value", str(error)[:160]))
            return None
    return None


def _readable(raw: bytes, flaws: list[Flaw]) -> str:
    stripped = raw.strip(b"\0 \t\r\n").removeprefix(codecs.BOM_UTF8)
    if b"\0" in raw:
        flaws.append(("nul_bytes", f"{raw.count(0)} NUL bytes"))
        stripped = stripped.replace(b"\0", b"")
    try:
        return stripped.decode()
    except UnicodeDecodeError as error:
        flaws.append(("bad_utf8", f"byte {error.start}: {error.reason}"))
        return stripped.decode("utf-8", "replace")


def _json_values(text: str, flaws: list[Flaw]) -> Iterator[Any]:
    """Yield the JSON values of a line, one after the other. What is no JSON is a flaw, up to the next whole record."""
    decoder = _decoder(flaws)
    at, count = 0, 0
    while at < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except ValueError as error:
            flaws.append(("bad_json", f"{error} in {text[at : at + 40]!r}"[:160]))
            at = text.find(_RECORD_START, at + 1)
            if at < 0:
                return
            continue
        count += 1
        if count == 2:
            flaws.append(("joined_records", "several records on one line"))
        yield _without_surrogates(value, flaws)
        while at < len(text) and text[at].isspace():
            at += 1


def _decoder(flaws: list[Flaw]) -> json.JSONDecoder:
    """Return a JSON decoder that reads numbers no counter can hold as ``null``."""

    def refuse(text: str) -> Any:
        flaws.append(("bad_value", f"no usable number: {text[:40]}"))

    def integer(text: str) -> int | None:
        return int(text) if len(text) <= _LONGEST_INTEGER else refuse(text)

    def fraction(text: str) -> float | None:
        number = float(text)
        return number if isfinite(number) else refuse(text)

    return json.JSONDecoder(parse_constant=refuse, parse_int=integer, parse_float=fraction)


def _without_surrogates(value: Any, flaws: list[Flaw]) -> Any:
    """Replace lone surrogates, which JSON escapes allow and UTF-8 does not."""
    if isinstance(value, str):
        if not _SURROGATE.search(value):
            return value
        flaws.append(("bad_text", "lone surrogates"))
        return _SURROGATE.sub("\N{REPLACEMENT CHARACTER}", value)
    if isinstance(value, dict):
        return {_without_surrogates(key, flaws): _without_surrogates(item, flaws) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_surrogates(item, flaws) for item in value]
    return value


def _error_path(message: str) -> list[str | int]:
    """Return where a validation error points to: names and list positions from the top."""
    found = _ERROR_PATH.search(message)
    return [name or int(index) for name, index in _PATH_STEP.findall(found[1])] if found else []


def _remove(value: Any, steps: list[str | int]) -> bool:
    """Remove what the path leads to, or the nearest thing above it that is there."""
    head, rest = steps[0], steps[1:]
    is_there = (isinstance(value, dict) and head in value) or (
        isinstance(value, list) and isinstance(head, int) and head < len(value)
    )
    if is_there and not (rest and _remove(value[head], rest)):
        del value[head]
    return is_there
