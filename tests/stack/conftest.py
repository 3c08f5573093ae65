"""The real stack for tests: built by ``make stack``, configured by the files that users get, on loopback.

A missing program fails the test where CI=true and skips it elsewhere. With ``-n 2`` each worker that needs a stack
starts its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.stack.built import TEMPO, built
from tools.stack.stack import Stack

NewStack = Callable[[], Stack]


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Return a running stack that all tests of this worker share: name sessions and services of your own."""
    with start_stack(tmp_path_factory.mktemp("stack")) as running:
        yield running


@pytest.fixture
def new_stack(tmp_path: Path) -> Iterator[NewStack]:
    """Return what starts a stack that nobody else has, empty, to be killed and restarted at will."""
    with ExitStack() as stacks:
        yield lambda: stacks.enter_context(start_stack(tmp_path / f"stack{len(list(tmp_path.iterdir()))}"))


def start_stack(folder: Path) -> Stack:
    """Return a stack to be entered, of programs that are there: a missing one fails or skips the test."""
    for name in ("otelcol", "prometheus", "alertmanager", *(() if TEMPO else ("jaeger",))):
        built(name)
    return Stack(folder, tempo=TEMPO)
