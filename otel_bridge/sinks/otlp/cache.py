"""A dictionary that makes what it is asked for, and never grows beyond a limit (pure)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")

MAX_ENTRIES = 256
MAX_BYTES = 256


class Cache(dict[_Key, _Value]):
    """Makes the value of a key once, but for bytes that are long: they seldom repeat.

    A full cache starts anew, so that what never repeats takes little room. Small is fast here: with thousands of
    entries the memory access costs more than the cache saves (measured).
    """

    def __init__(self, make: Callable[[_Key], _Value]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, key: _Key) -> _Value:
        value = self._make(key)
        if not isinstance(value, bytes) or len(value) <= MAX_BYTES:
            if len(self) >= MAX_ENTRIES:
                self.clear()
            self[key] = value
        return value
