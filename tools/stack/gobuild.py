"""Build one program of the stack with Go: into ``.cache/stack/NAME-VERSION/``, stamped by a hash of its sources."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path

from tools.stack.programs import CACHE, GO_VERSION, Program

STAMP = "stamp"
LAST_LINES = 15
SETTINGS = {
    "CGO_ENABLED": "0",  # no C compiler needed, and the binary runs on any Linux
    "GOFLAGS": "",
    "GOWORK": "off",
}
"""What would otherwise depend on the machine."""


class BuildError(Exception):
    """A program could not be built; the sentences say what failed, where, and what to do."""


@dataclass(frozen=True)
class Go:
    """A Go installation that is new enough."""

    path: str

    @classmethod
    def find(cls, name: str) -> Go:
        """Return the Go called ``name``; raise ``BuildError`` where there is none, or an old one."""
        wanted = ".".join(str(part) for part in GO_VERSION)
        path = shutil.which(name)
        if path is None:
            raise BuildError(
                f"The stack is built with Go {wanted} or newer, and '{name}' is not on the PATH.\n"
                "Install it (https://go.dev/dl/) or name it: make stack GO=/path/to/go"
            )
        answer = subprocess.run([path, "env", "GOVERSION"], capture_output=True, text=True, check=False)
        found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
        if not found or tuple(int(part) for part in found.groups()) < GO_VERSION:
            told = answer.stdout.strip() or answer.stderr.strip() or "nothing"
            raise BuildError(
                f"The stack is built with Go {wanted} or newer; {path} says it is '{told}'.\n"
                "Install a newer one (https://go.dev/dl/) or name it: make stack GO=/path/to/go"
            )
        return cls(path)

    def run(self, *arguments: str, cwd: Path, log: Path, extra: dict[str, str] | None = None) -> None:
        """Run ``go ARGUMENTS`` in a folder, its output going to ``log``."""
        run([self.path, *arguments], cwd=cwd, log=log, extra=extra)


def is_built(program: Program) -> bool:
    """Say whether the binaries are there and were made from the sources as they are now."""
    stamp = program.home / STAMP
    return (
        stamp.exists()
        and stamp.read_text(encoding="utf-8") == fingerprint(program)
        and all((program.home / binary).exists() for binary in program.binaries)
    )


def fingerprint(program: Program) -> str:
    """Return a hash of all that decides what is built: the row in programs.toml and the committed sources."""
    digest = hashlib.sha256(repr((program, SETTINGS)).replace(str(program.sources), "").encode())
    for path in sorted(program.sources.iterdir()):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def build(program: Program, go: Go, *, relock: bool = False) -> float:
    """Build a program and return the seconds it took.

    With ``relock`` Go may write go.mod and go.sum anew from the manifest or the ``tool`` lines; otherwise a difference
    is an error. Raises ``BuildError``.
    """
    started = time.monotonic()
    log = CACHE / f"{program.name}.log"
    log.unlink(missing_ok=True)
    work = CACHE / f"{program.name}.new"
    shutil.rmtree(work, ignore_errors=True)
    (work / "bin").mkdir(parents=True)
    try:
        sources = _generate(program, go, work, log, relock=relock) if program.generator else program.sources
        mode = "-mod=mod" if relock else "-mod=readonly"
        for binary, package in program.binaries.items():
            flags = [mode, "-trimpath", "-buildvcs=false", f"-ldflags=-s -w {program.ldflags}", f"-tags={program.tags}"]
            go.run("build", *flags, "-o", str(work / "bin" / binary), package, cwd=sources, log=log)
        if relock and program.generator:
            _copy(("go.mod", "go.sum"), sources, program.sources)
    except BuildError as error:
        raise BuildError(f"{program.name} {program.version} could not be built.\n{error}") from None
    (work / "bin" / STAMP).write_text(fingerprint(program), encoding="utf-8")
    shutil.rmtree(program.home, ignore_errors=True)
    (work / "bin").replace(program.home)
    shutil.rmtree(work)
    return time.monotonic() - started


def _generate(program: Program, go: Go, work: Path, log: Path, *, relock: bool) -> Path:
    """Return the folder of what the generator wrote, with the committed go.mod unless that is to be made anew."""
    assert program.generator is not None
    module, _, version = program.generator.partition("@")
    tool = CACHE / f"builder-{version}" / Path(module).name
    if not tool.exists():
        go.run("install", "-trimpath", program.generator, cwd=work, log=log, extra={"GOBIN": str(tool.parent)})
    manifest = program.sources / "manifest.yaml"
    # It would ask for modules that only tests need; go.mod and go.sum are committed instead.
    run([str(tool), f"--config={manifest}", "--skip-get-modules", "--skip-compilation"], cwd=work, log=log)
    sources = work / "build"
    _copy(("go.sum",) if relock else ("go.mod", "go.sum"), program.sources, sources)
    return sources


def _copy(names: tuple[str, ...], source: Path, target: Path) -> None:
    for name in names:
        shutil.copyfile(source / name, target / name)


def run(command: list[str], *, cwd: Path, log: Path, extra: dict[str, str] | None = None) -> None:
    """Run a command, its output going to the end of ``log``; raise ``BuildError`` with the last lines of it."""
    environment = {**os.environ, **SETTINGS, **(extra or {})}
    with log.open("ab") as output:
        output.write(f"$ cd {cwd}; {' '.join(command)}\n".encode())
        output.flush()
        code = subprocess.run(command, cwd=cwd, env=environment, stdout=output, stderr=output, check=False).returncode
    if code:
        with log.open(encoding="utf-8", errors="replace") as lines:
            tail = "".join(f"    {line}" for line in deque(lines, LAST_LINES))
        raise BuildError(
            f"In {cwd}, this ended with {code}: {' '.join(command)}\n{tail}"
            f"All of its output: {log}\n"
            "Is the Go module proxy within reach (go env GOPROXY), and is there room on the disk (8 GB)? "
            "Run it again: what was compiled already is kept.\n"
            "After a change of versions or of the manifest: python3 -m tools.stack.build --relock NAME"
        )
