"""Standard streams that were closed before we started (I/O)."""

from __future__ import annotations

import os
import sys


def open_closed_streams() -> None:
    """Give every standard stream that is closed something to stand for.

    Else a file opened later would get its number, and what is printed would end up in that file. What a command prints
    to a closed output is an error, as for other programs; of what it says on a closed stderr nobody wants to hear.
    """
    for number in range(3):
        if _is_closed(number):
            _open_nothing(number, os.O_WRONLY if number == 2 else os.O_RDONLY)
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - for as long as we run
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False


def _open_nothing(number: int, flags: int) -> None:
    opened = os.open(os.devnull, flags)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)
    else:
        os.set_inheritable(number, True)  # noqa: FBT003 - has no name
