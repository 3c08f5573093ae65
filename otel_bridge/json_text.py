"""Edits of JSON text that leave every other byte as it was (pure).

A file that people keep by hand is never written anew: what changes is put into its text, in the file's own indentation
and newlines. Offsets count characters. Of several members with one name the last one counts, as for every reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

_SPACE = re.compile(r"[ \t\r\n]*")
_HALF = re.compile("[\ud800-\udfff]")


class Part(NamedTuple):
    """One member of an object or one item of an array, and where it lies."""

    key: str | None
    """``None`` for an item."""
    value: Any
    start: int
    """Where its key begins; of an item, where the value begins."""
    value_start: int
    end: int


class Insertion(NamedTuple):
    """Text to put in at an offset."""

    at: int
    text: str

    def into(self, text: str) -> str:
        """Return the text with the insertion."""
        return text[: self.at] + self.text + text[self.at :]


class Layout(NamedTuple):
    """How a file is written. Without a ``newline`` everything stands on one line."""

    newline: str = "\n"
    unit: str = "  "
    """One step of indentation."""
    colon: str = ": "

    @property
    def comma(self) -> str:
        """What stands between parts on one line."""
        return ", " if self.colon.endswith(" ") else ","


def is_blank(text: str) -> bool:
    """Return whether a text says nothing: it holds no character, or only such as JSON allows between values."""
    return not text.strip(" \t\r\n")


def parse(text: str) -> Any:
    """Return the value of a JSON text, numbers with a point or exponent as ``Decimal``.

    Raises:
        ValueError: it is none; the sentence says where.
    """
    try:
        return json.loads(text, parse_float=Decimal, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def parts(text: str, at: int) -> list[Part]:
    """Return the parts of the object or array that begins at an offset of a valid text; none for any other value."""
    found: list[Part] = []
    if text[at] not in "{[":
        return found
    position = _after_space(text, at + 1)
    while text[position] not in "}]":
        start, key = position, None
        if text[at] == "{":
            key, position = _DECODE(text, position)
            position = _after_space(text, _after_space(text, position) + 1)
        value, end = _DECODE(text, position)
        found.append(Part(key, value, start, position, end))
        position = _after_space(text, end)
        if text[position] == ",":
            position = _after_space(text, position + 1)
    return found


def part_at(text: str, path: Sequence[str | int]) -> Part:
    """Return the part that keys and indexes lead to, the whole document for none. KeyError if there is none."""
    start = _after_space(text, 0)
    value, end = _DECODE(text, start)
    part = Part(None, value, start, start, end)
    for step in path:
        inner = parts(text, part.value_start)
        part = {(index if own.key is None else own.key): own for index, own in enumerate(inner)}[step]
    return part


def insertion(text: str, path: Sequence[str | int], new: Mapping[str, Any] | Sequence[Any]) -> Insertion:
    """Return what adds members to the object (items to the array) that a path leads to, after all others."""
    container = part_at(text, path)
    return _insertion(text, container, new, layout_of(text))


def without(text: str, path: Sequence[str | int]) -> str:
    """Return the text without a part and without the comma and space it needed. KeyError if there is none."""
    container, part = part_at(text, path[:-1]), part_at(text, path)
    inner = parts(text, container.value_start)
    index = inner.index(part)
    if index:
        return text[: inner[index - 1].end] + text[part.end :]
    if len(inner) > 1:
        return text[: part.start] + text[inner[1].start :]
    return text[: container.value_start + 1] + text[container.end - 1 :]


def rewritten(text: str, new: Any) -> str:
    """Return the text with the values of ``new``, keeping the text of all that is the same.

    An object that loses members is written anew as a whole.
    """
    edits = list(_edits(text, part_at(text, ()), new, layout_of(text)))
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


def layout_of(text: str) -> Layout:
    """Return how a valid text is written, judged by its outermost parts; two spaces where nothing tells."""
    document = part_at(text, ())
    newline = "\r\n" if "\r\n" in text else "\n"
    first = next(iter(parts(text, document.value_start)), None)
    if first is None:
        return Layout(newline)
    colon = text[first.start : first.value_start].rpartition('"')[2] or ": "
    colon = ": " if "\n" in colon else colon
    lead = text[document.value_start + 1 : first.start]
    return Layout(newline, lead.rpartition("\n")[2], colon) if "\n" in lead else Layout("", "", colon)


def rendered(value: Any, layout: Layout, indent: str = "", *, spread: bool = False) -> str:
    """Return a value as text whose first line is indented by ``indent`` already.

    A list of plain values stays on one line unless it is ``spread``.
    """
    if not isinstance(value, Mapping | list):
        return str(value) if isinstance(value, Decimal) else _plain(value)
    if not spread and isinstance(value, list) and not any(isinstance(item, Mapping | list) for item in value):
        layout = layout._replace(newline="")
    first, last = "[]" if isinstance(value, list) else "{}"
    lines = _lines(value, layout, indent + layout.unit)
    if not lines or not layout.newline:
        return first + layout.comma.join(lines) + last
    lead = layout.newline + indent + layout.unit
    return first + lead + f",{lead}".join(lines) + layout.newline + indent + last


def _plain(value: Any) -> str:
    """Return a value as JSON that can be encoded: half characters are spelled out."""
    return _HALF.sub(lambda half: f"\\u{ord(half[0]):04x}", json.dumps(value, ensure_ascii=False))


def _insertion(text: str, container: Part, new: Mapping[str, Any] | Sequence[Any], layout: Layout) -> Insertion:
    inner = parts(text, container.value_start)
    if inner:
        lead = _lead(text, inner)
        layout, indent = (layout, lead.rpartition("\n")[2]) if "\n" in lead else (layout._replace(newline=""), "")
        separator = f",{layout.newline}{indent}" if layout.newline else layout.comma
        return Insertion(inner[-1].end, separator + separator.join(_lines(new, layout, indent)))
    outer = _line_indent(text, container.value_start)
    lead = layout.newline + outer + layout.unit if layout.newline else ""
    has_break = "\n" in text[container.value_start + 1 : container.end - 1]
    tail = "" if has_break or not lead else layout.newline + outer
    separator = f",{lead}" if lead else layout.comma
    lines = _lines(new, layout, outer + layout.unit)
    return Insertion(container.value_start + 1, lead + separator.join(lines) + tail)


def _lines(new: Mapping[str, Any] | Sequence[Any], layout: Layout, indent: str) -> list[str]:
    if isinstance(new, Mapping):
        return [f"{rendered(key, layout)}{layout.colon}{rendered(item, layout, indent)}" for key, item in new.items()]
    return [rendered(item, layout, indent) for item in new]


def _lead(text: str, inner: Sequence[Part]) -> str:
    """Return the space before the last part."""
    before = text[: inner[-1].start]
    return before[len(before.rstrip(" \t\r\n")) :]


def _line_indent(text: str, at: int) -> str:
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip(" \t"))]


def _edits(text: str, old: Part, new: Any, layout: Layout) -> list[tuple[int, int, str]]:
    """Return start, end and replacement of the smallest pieces of text that change."""
    if old.value == new:
        return []
    if isinstance(old.value, dict) and isinstance(new, dict) and old.value.keys() <= new.keys():
        known = {part.key: part for part in parts(text, old.value_start)}
        added = {key: item for key, item in new.items() if key not in known}
        edits = [edit for key, part in known.items() for edit in _edits(text, part, new[key], layout)]
        if added:
            put = _insertion(text, old, added, layout)
            edits.append((put.at, put.at, put.text))
        return edits
    if isinstance(old.value, list) and isinstance(new, list) and len(old.value) == len(new) and _is_nested(new):
        inner = zip(parts(text, old.value_start), new, strict=True)
        return [edit for part, item in inner for edit in _edits(text, part, item, layout)]
    piece = text[old.value_start : old.end]
    indent = _line_indent(text, old.value_start)
    own = layout if "\n" in piece or _begins_line(text, old) else layout._replace(newline="")
    return [(old.value_start, old.end, rendered(new, own, indent, spread="\n" in piece))]


def _is_nested(items: Sequence[Any]) -> bool:
    return any(isinstance(item, dict) for item in items)


def _begins_line(text: str, part: Part) -> bool:
    return not text[text.rfind("\n", 0, part.start) + 1 : part.start].strip(" \t")


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None, "matches the empty text too"
    return found.end()


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON value")


_DECODE = json.JSONDecoder(parse_float=Decimal).raw_decode
