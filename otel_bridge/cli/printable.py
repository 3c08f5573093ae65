"""Text that a terminal cannot take for commands."""

from __future__ import annotations

from contextlib import suppress

import click


def printable(text: str) -> str:
    """Return one line of text with control characters made visible: names, paths and answers may hold anything."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def say(line: str) -> None:
    """Tell the user something that is no result; on a full disk or behind a closed pipe nobody can be told."""
    with suppress(OSError):
        click.echo(printable(line), err=True)
