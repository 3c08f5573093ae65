"""Variables in the ``env`` of a settings file: put in, found, and taken out again to the byte (pure).

Values that are there already are replaced where they stand, all else is put in as one piece of text at the end of
``env``. The last variable of that piece is a note: what the piece made, how far it reaches to both sides of the note's
value, the texts it replaced, and a digest of each value of ours. A variable whose value somebody changed since is
theirs and stays.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import IntEnum
from hashlib import sha256
from typing import Any

import msgspec
from msgspec import Struct

from otel_bridge.json_text import Insertion, Layout, insertion, is_blank, parse, part_at, rendered, without

NOTE = "OTEL_BRIDGE_SETTINGS"
"""The variable that holds the note; the client hands it on and nobody reads it but us."""

_NOTE_LAYOUT = Layout("")
_DIGEST_CHARACTERS = 8


class Made(IntEnum):
    """What putting the variables in made; each level includes those before it."""

    MEMBERS = 0
    ENV = 1
    DOCUMENT = 2
    FILE = 3
    FOLDER = 4


class Note(Struct, frozen=True, rename={"digests": "ours", "replaced": "was"}):
    """What is known of the variables that were put in."""

    made: int
    before: int
    """Characters of the piece before the note's value."""
    after: int
    digests: dict[str, str]
    """By the name of each variable of ours."""
    replaced: dict[str, str] = {}
    """The JSON texts that were there before, by name."""


def find_note(text: str) -> Note | None:
    """Return what we noted in a settings file; ``None`` if nothing of ours is in it.

    Raises:
        ValueError: it is no settings file, or the note cannot be read; the sentence says what was seen.
    """
    noted = settings_document(text).get("env", {}).get(NOTE)
    if noted is None:
        return None
    try:
        return msgspec.json.decode(noted if isinstance(noted, str) else "", type=Note)
    except msgspec.MsgspecError as error:
        raise ValueError(f"its `env.{NOTE}`, which otel-bridge wrote, was changed: {error}") from None


def with_variables(text: str, variables: Mapping[str, str], *, made: Made = Made.DOCUMENT) -> str:
    """Return the settings with these variables; the same text where they are there. Older ones of ours are replaced.

    ``made`` is what must be made for a file without any text: the document, the file, or its folder too.

    Raises:
        ValueError: it is no settings file; the sentence says what was seen.
    """
    note = find_note(text)
    if note is not None and _says(text, variables, note):
        return text
    if note is not None:
        text, made = without_variables(text), max(made, Made(note.made))
    text, replaced = _with_replaced(text, variables)
    return _put_in(text, variables, replaced, made)


def without_variables(text: str) -> str:
    """Return the settings without our variables and with what they replaced.

    That is the text as it was before, apart from what others changed since: values of ours that they changed stay.

    Raises:
        ValueError: it is no settings file; the sentence says what was seen.
    """
    note = find_note(text)
    if note is None:
        return text
    env = part_at(text, ("env",)).value
    text = _restored(text, env, note)
    return _cut_out(text, note, {name for name in note.digests if _is_ours(env, name, note)} - note.replaced.keys())


def changed_since(text: str) -> list[str]:
    """Return names of variables of ours whose values somebody changed: they are left alone."""
    note = find_note(text)
    env = settings_document(text).get("env", {})
    return [] if note is None else [name for name in note.digests if name in env and not _is_ours(env, name, note)]


def settings_document(text: str) -> dict[str, Any]:
    """Return the settings a text holds; none for an empty one.

    Raises:
        ValueError: it is no settings file; the sentence says what was seen.
    """
    document = {} if is_blank(text) else parse(text)
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    if not isinstance(document.get("env", {}), dict):
        raise ValueError("its `env` is no object")
    return document


def _says(text: str, variables: Mapping[str, str], note: Note) -> bool:
    env = settings_document(text)["env"]
    return note.digests.keys() == variables.keys() and all(env.get(name) == value for name, value in variables.items())


def _digest(value: object) -> str:
    return sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()[:_DIGEST_CHARACTERS]


def _is_ours(env: Mapping[str, Any], name: str, note: Note) -> bool:
    return name in env and _digest(env[name]) == note.digests.get(name)


def _with_replaced(text: str, variables: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """Replace the values of variables that are there already; return what they were, too."""
    replaced: dict[str, str] = {}
    env = settings_document(text).get("env", {})
    for name in (name for name in variables if name in env):
        part = part_at(text, ("env", name))
        replaced[name] = text[part.value_start : part.end]
        text = text[: part.value_start] + rendered(variables[name], _NOTE_LAYOUT) + text[part.end :]
    return text, replaced


def _restored(text: str, env: Mapping[str, Any], note: Note) -> str:
    for name, before in note.replaced.items():
        if _is_ours(env, name, note):
            part = part_at(text, ("env", name))
            text = text[: part.value_start] + before + text[part.end :]
    return text


def _put_in(text: str, variables: Mapping[str, str], replaced: Mapping[str, str], made: Made) -> str:
    """Put the variables that are missing into the text, with a note of what that took."""
    new = {name: value for name, value in variables.items() if name not in replaced}
    put, made = _piece(text, {**new, NOTE: ""}, made)
    end = put.text.rindex('""') + 2
    digests = {name: _digest(value) for name, value in variables.items()}
    note = Note(made, end - 2, len(put.text) - end, digests, dict(replaced))
    noted = rendered(msgspec.json.encode(note).decode(), _NOTE_LAYOUT)
    return Insertion(put.at, put.text[: end - 2] + noted + put.text[end:]).into(text)


def _piece(text: str, new: Mapping[str, str], made: Made) -> tuple[Insertion, Made]:
    """Return what to put in and what that makes."""
    if is_blank(text):
        return Insertion(0, rendered({"env": dict(new)}, Layout()) + "\n"), made
    if "env" in settings_document(text):
        return insertion(text, ("env",), new), Made.MEMBERS
    return insertion(text, (), {"env": dict(new)}), Made.ENV


def _cut_out(text: str, note: Note, names: set[str]) -> str:
    """Cut the piece out where it is still as it was put in, that is, where this leaves what it should mean."""
    taken_out = _taken_out(text, note, names)
    part = part_at(text, ("env", NOTE))
    cut = text[: max(part.value_start - note.before, 0)] + text[part.end + note.after :]
    try:
        return cut if _same(cut, taken_out) else taken_out
    except (ValueError, RecursionError):
        return taken_out


def _same(text: str, other: str) -> bool:
    """Return whether two texts mean the same, down to the way numbers are written."""
    return is_blank(text) == is_blank(other) and settings_document(text) == settings_document(other)


def _taken_out(text: str, note: Note, names: set[str]) -> str:
    """Take out the variables one by one, and what was made for them if that is empty now."""
    for name in (*sorted(names), NOTE):
        text = without(text, ("env", name))
    if note.made < Made.ENV or part_at(text, ("env",)).value:
        return text
    text = without(text, ("env",))
    return "" if note.made >= Made.DOCUMENT and not parse(text) else text
