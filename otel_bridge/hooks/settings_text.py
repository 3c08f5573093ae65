"""The Stop hook in the text of a settings file: put in, found, and taken out again to the byte (pure).

Nothing but one piece of text is put in. A note at the end of the hook's command says what that piece made (the hook
alone, or also what it lies in) and how far it reaches to both sides of the command, so that it can be cut out later,
whatever happened elsewhere in the file. Where the piece itself was changed, the hook is taken out by its meaning.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from enum import IntEnum
from typing import Any, NamedTuple

from otel_bridge.json_text import Insertion, Layout, insertion, is_blank, parse, part_at, rendered, without

_NOTE = re.compile(r" # otel-bridge hook: made (\w+), (\d{1,6})\+(\d{1,6})$")


class Made(IntEnum):
    """What an installation made; each level includes those before it."""

    ENTRY = 0
    STOP = 1
    HOOKS = 2
    DOCUMENT = 3
    FILE = 4
    FOLDER = 5


class InstalledHook(NamedTuple):
    """One hook of ours in a settings document."""

    path: tuple[str | int, ...]
    command: str
    """Without its note."""
    made: Made
    before: int
    """Characters of the piece before the command's text."""
    after: int


def installed_hooks(text: str) -> list[InstalledHook]:
    """Return our hooks in a settings file; none for an empty one.

    Raises:
        ValueError: it is no settings file; the sentence says what was seen.
    """
    return list(_ours(_document(text)))


def with_hook(text: str, command: str, *, made: Made = Made.DOCUMENT) -> str:
    """Return the settings with a Stop hook; the same text where it is there already. An older one is replaced.

    ``made`` is what must be made for a file without any text: the document, the file, or its folder too.

    Raises:
        ValueError: it is no settings file; the sentence says what was seen.
    """
    ours = installed_hooks(text)
    if [hook.command for hook in ours] == [command]:
        return text
    made = max([made, *(hook.made for hook in ours)])
    return _put_in(without_hooks(text), command, made)


def without_hooks(text: str) -> str:
    """Return the settings without our hooks: the text as it was before, apart from what others changed since.

    Raises:
        ValueError: it is no settings file; the sentence says what was seen.
    """
    while hook := next(iter(installed_hooks(text)), None):
        text = _cut_out(text, hook)
    return text


def _document(text: str) -> dict[str, Any]:
    document = {} if is_blank(text) else parse(text)
    if not isinstance(document, dict):
        raise ValueError("it is no JSON object")
    hooks = document.get("hooks", {})
    if not isinstance(hooks, dict):
        raise ValueError("its `hooks` are no object")
    if not isinstance(hooks.get("Stop", []), list):
        raise ValueError("its `hooks.Stop` is no list")
    return document


def _ours(document: dict[str, Any]) -> Iterator[InstalledHook]:
    for event, groups in document.get("hooks", {}).items():
        for group_index, group in _items(groups):
            for hook_index, hook in _items(group.get("hooks") if isinstance(group, dict) else None):
                command = hook.get("command") if isinstance(hook, dict) else None
                note = _NOTE.search(command) if isinstance(command, str) else None
                if note is not None and note[1].upper() in Made.__members__:
                    path = ("hooks", event, group_index, "hooks", hook_index)
                    own, made = note.string[: note.start()], Made[note[1].upper()]
                    yield InstalledHook(path, own, made, int(note[2]), int(note[3]))


def _items(value: Any) -> list[tuple[int, Any]]:
    return list(enumerate(value)) if isinstance(value, list) else []


def _put_in(text: str, command: str, made: Made) -> str:
    """Put the hook into the text and a note of what that took into the hook."""
    put, made = _piece(text, command, made)
    quoted = rendered(command, Layout())
    before = put.text.index(quoted)
    after = len(put.text) - before - len(quoted)
    noted = rendered(f"{command} # otel-bridge hook: made {made.name.lower()}, {before}+{after}", Layout())
    return Insertion(put.at, put.text.replace(quoted, noted)).into(text)


def _piece(text: str, command: str, made: Made) -> tuple[Insertion, Made]:
    """Return what to put in and what that makes."""
    groups = [{"hooks": [{"type": "command", "command": command}]}]
    if is_blank(text):
        return Insertion(0, rendered({"hooks": {"Stop": groups}}, Layout()) + "\n"), made
    hooks = _document(text).get("hooks")
    if hooks is None:
        return insertion(text, (), {"hooks": {"Stop": groups}}), Made.HOOKS
    if "Stop" not in hooks:
        return insertion(text, ("hooks",), {"Stop": groups}), Made.STOP
    return insertion(text, ("hooks", "Stop"), groups), Made.ENTRY


def _cut_out(text: str, hook: InstalledHook) -> str:
    """Cut the piece out where it is still as it was put in, that is, where this leaves what it should mean."""
    taken_out = _taken_out(text, hook)
    command = part_at(text, (*hook.path, "command"))
    start, end = command.value_start - hook.before, command.end + hook.after
    cut = text[: max(start, 0)] + text[end:]
    try:
        return cut if _document(cut) == _document(taken_out) else taken_out
    except (ValueError, RecursionError):
        return taken_out


def _taken_out(text: str, hook: InstalledHook) -> str:
    """Take out the hook, its group if nothing else is in it, and what was made for it if that is empty now."""
    text = without(text, hook.path)
    if part_at(text, hook.path[:4]).value:
        return text
    text = without(text, hook.path[:3])
    for depth, level in ((2, Made.STOP), (1, Made.HOOKS)):
        if hook.made < level or part_at(text, hook.path[:depth]).value:
            return text
        text = without(text, hook.path[:depth])
    return "" if hook.made >= Made.DOCUMENT and not parse(text) else text
