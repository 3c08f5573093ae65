"""Texts worth finding a session by: prompts, commands, errors (pure)."""

from __future__ import annotations

from msgspec import Struct

MAX_TEXT_CHARACTERS = 4096
"""Longer texts are kept up to here: a pasted file is not what somebody remembers a session by."""


class SearchText(Struct, frozen=True, array_like=True):
    """One text of a session."""

    kind: str
    """``prompt``, ``command``, ``error`` or ``answer``."""
    at_ns: int
    ref: str
    """The tool call it is from; empty for prompts and answers."""
    text: str


class TextNotes:
    """Collects the texts of one file's lines; answers only if asked for."""

    def __init__(self, *, with_answers: bool = False) -> None:
        self.with_answers = with_answers
        self.texts: list[SearchText] = []

    def note(self, kind: str, at_ns: int, text: str | None, ref: str = "") -> None:
        """Take in a text, if there is one."""
        if text and not text.isspace():
            self.texts.append(SearchText(kind, at_ns, ref, text[:MAX_TEXT_CHARACTERS]))
