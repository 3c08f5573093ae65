"""Which programs make the stack, in which versions, and where `make stack` puts them.

program("promtool")        the built binary
PROGRAMS["otelcol"]        how it is built, and its version
IMAGES["tempo"]            the container image of the same version
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SOURCES = Path(__file__).parent
CACHE = SOURCES.parents[1] / ".cache" / "stack"


class ProgramMissingError(Exception):
    """The program was not built yet; the sentence says what builds it."""


@dataclass(frozen=True)
class Program:
    """One Go program, or several of the same module: how to build it from ``sources`` and where it goes."""

    name: str
    version: str
    binaries: dict[str, str]
    """Go package of each binary."""
    sources: Path
    """Holds go.mod and go.sum; for the collector also the builder's manifest."""
    image: str | None = None
    tags: str = ""
    ldflags: str = ""
    generator: str | None = None
    """A Go program with its version that makes the sources from ``manifest.yaml``."""

    @property
    def home(self) -> Path:
        """Return the folder of the built binaries."""
        return CACHE / f"{self.name}-{self.version}"


@dataclass(frozen=True)
class _Table:
    go: str
    build: dict[str, dict[str, Any]]
    images: dict[str, str] = field(default_factory=dict)


def _program(name: str, row: dict[str, Any]) -> Program:
    row = dict(row)
    return Program(name=name, sources=SOURCES / row.pop("folder", name), **row)


_TABLE = _Table(**tomllib.loads((SOURCES / "programs.toml").read_text(encoding="utf-8")))

GO_VERSION = tuple(int(part) for part in _TABLE.go.split("."))
"""The oldest Go that builds all programs."""

PROGRAMS = {name: _program(name, row) for name, row in _TABLE.build.items()}
"""In the order in which they are built: what most tests wait for comes first."""

IMAGES = {**_TABLE.images, **{name: each.image for name, each in PROGRAMS.items() if each.image}}
"""Container image with its tag, by program."""


def program(name: str) -> Path:
    """Return the path of a built binary, for example of ``promtool``.

    Raises ``ProgramMissingError`` where it was not built, ``KeyError`` for a name that no program has.
    """
    owner = next((each for each in PROGRAMS.values() if name in each.binaries), None)
    if owner is None:
        known = ", ".join(binary for each in PROGRAMS.values() for binary in each.binaries)
        raise KeyError(f"no program of the stack is called {name}; there are {known}")
    path = owner.home / name
    if not path.exists():
        raise ProgramMissingError(
            f"{path} is missing: `make stack` builds it (python3 -m tools.stack.build {owner.name})"
        )
    return path
