"""Attributes as Claude Code sends them, read by the type they should have (pure).

Numbers were strings before 2.1.122, and booleans are strings on events to this day: each reader takes every form. What
cannot be read is reported and counts as not sent. No report repeats a value.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Iterable, Mapping
from decimal import Decimal, InvalidOperation

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from otel_bridge.model import Problem
from otel_bridge.sources.native.records import Scalar

MAX_TEXT = 256
"""Characters kept of a name or an id: no real one is longer."""
MAX_COUNT = 2**53
"""No count of tokens, bytes or milliseconds is larger."""
FLOAT_DIGITS = Decimal("1e-10")
"""The client adds binary floats: their error is below this, every price per token is above."""

_NOTHING = AnyValue()
_ABSENT = frozenset({"", "undefined", "null", "NaN"})
"""How JavaScript writes that there is no number (``status_code`` at 1.0.60)."""
_TRUTH = {"true": True, "false": False}
_WORD = re.compile(r"[\w.:-]{1,64}")
_UNBROKEN = re.compile(r"[^\s@]{1,256}")
"""Neither prose nor an e-mail address."""
_TEXT_NAME = re.compile(
    "prompt|context|content|output|input|text|message|body|command|path|error|reminder|definition|preview|response[.]model"
    "|url|pattern|query|title|arg|result|stdout|stderr|summary|description|diff|code|host|file",
    re.IGNORECASE,
)
"""Parts of the names of attributes that hold what a person, a model or a tool wrote, one word long or more."""


def amount(written: str) -> Decimal | None:
    """Return a finite number from 0 up to ``MAX_COUNT`` exactly as it is written, ``None`` for anything else."""
    try:
        exact = Decimal(written)
    except InvalidOperation:
        return None
    return exact if exact.is_finite() and 0 <= exact <= MAX_COUNT else None


def without_float_error(exact: Decimal) -> Decimal:
    """Return an amount to the tenth decimal."""
    return exact.quantize(FLOAT_DIGITS).normalize()


class Attributes:
    """The attributes of one event or span; ``problems`` has what could not be read."""

    def __init__(self, pairs: Iterable[KeyValue], subject: str, problems: list[Problem]) -> None:
        self._values: Mapping[str, AnyValue] = {pair.key: pair.value for pair in pairs}
        self.subject = subject
        """What has them: an event's name, say."""
        self._problems = problems

    def report(self, reason: str, detail: str) -> None:
        """Note something that could not be used."""
        self._problems.append(Problem("otlp", 0, 0, reason, f"{self.subject}: {detail}"))

    def text(self, *names: str) -> str | None:
        """Return the first of the named attributes that says something, cut to ``MAX_TEXT`` characters."""
        for name in names:
            if found := self.whole_text(name)[:MAX_TEXT]:
                return found
        return None

    def whole_text(self, name: str) -> str:
        """Return a text as long as it is, empty where it was not sent."""
        return str(self._values.get(name, _NOTHING).string_value)

    def word(self, name: str) -> str | None:
        """Return a bounded word such as the class of an error; what has spaces is prose and left out."""
        text = self.text(name)
        return text if text is not None and _WORD.fullmatch(text) else None

    def number(self, name: str) -> float | None:
        """Return a finite number from 0 up to ``MAX_COUNT``."""
        exact = self._decimal(name)
        return None if exact is None else float(exact)

    def count(self, name: str) -> int | None:
        """Return a whole number from 0 up to ``MAX_COUNT``."""
        exact = self._decimal(name)
        if exact is None:
            return None
        if exact != int(exact):
            self._reject(name)
            return None
        return int(exact)

    def money(self, name: str) -> Decimal | None:
        """Return an amount to the tenth decimal, without the error of a binary float."""
        exact = self._decimal(name)
        return None if exact is None else without_float_error(exact)

    def flag(self, name: str) -> bool | None:
        """Return a yes or no."""
        value = self._values.get(name, _NOTHING)
        kind = value.WhichOneof("value")
        if kind is None:
            return None
        if kind == "bool_value":
            return bool(value.bool_value)
        truth = _TRUTH.get(value.string_value)
        if truth is None:
            self._reject(name)
        return truth

    def scalars(self, names: Collection[str]) -> dict[str, Scalar]:
        """Return those of the named attributes that were sent as a word, a number, or yes or no."""
        found: dict[str, Scalar] = {}
        for name, value in self._values.items():
            if name not in names:
                continue
            kind = value.WhichOneof("value")
            if kind == "string_value" and (text := value.string_value[:MAX_TEXT]):
                found[name] = text
            elif kind in ("bool_value", "int_value") or (kind == "double_value" and math.isfinite(value.double_value)):
                found[name] = getattr(value, kind)
        return found

    def words(self) -> dict[str, Scalar]:
        """Return all that was sent as a number, yes or no, or a word; nothing whose name says that it is a text."""
        found = self.scalars(self._values)
        return {name: value for name, value in found.items() if not isinstance(value, str) or self._is_word(name)}

    def _is_word(self, name: str) -> bool:
        return not _TEXT_NAME.search(name) and _UNBROKEN.fullmatch(self.whole_text(name)) is not None

    def _decimal(self, name: str) -> Decimal | None:
        value = self._values.get(name, _NOTHING)
        kind = value.WhichOneof("value")
        if kind is None or (kind == "string_value" and value.string_value in _ABSENT):
            return None
        written = {"string_value": value.string_value, "int_value": value.int_value, "double_value": value.double_value}
        exact = amount(str(written.get(kind, "")))
        if exact is None:
            self._reject(name)
        return exact

    def _reject(self, name: str) -> None:
        self.report("bad_value", name)
