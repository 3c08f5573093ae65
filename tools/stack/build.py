"""Build the real programs that tests and `make demo` run: collector, Prometheus, Jaeger, Alertmanager, compose check.

python3 -m tools.stack.build                       all that is not built yet
python3 -m tools.stack.build prometheus jaeger     only these
python3 -m tools.stack.build --relock otelcol      after a change of versions: write go.mod and go.sum anew

Needs Go and nothing else. Each program is built once into .cache/stack/NAME-VERSION/ and again when its sources change.
"""

from __future__ import annotations

import argparse
import fcntl
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tools.stack.gobuild import BuildError, Go, build, is_built
from tools.stack.programs import CACHE, PROGRAMS, Program


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python3 -m tools.stack.build", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("programs", nargs="*", metavar="NAME", help=f"of {', '.join(PROGRAMS)} (all)")
    parser.add_argument("--go", default="go", help="the Go to build with (%(default)s)")
    parser.add_argument("--relock", action="store_true", help="build anew and let Go write go.mod and go.sum")
    options = parser.parse_args()
    unknown = [name for name in options.programs if name not in PROGRAMS]
    if unknown:
        parser.error(f"no program is called {unknown[0]}; there are {', '.join(PROGRAMS)}")
    chosen = [PROGRAMS[name] for name in options.programs] or list(PROGRAMS.values())
    try:
        build_all(chosen, go_name=options.go, relock=options.relock)
    except BuildError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def build_all(chosen: list[Program], *, go_name: str, relock: bool) -> None:
    """Build what is not built, telling what is done and how long it took."""
    started = time.monotonic()
    CACHE.mkdir(parents=True, exist_ok=True)
    with alone():
        missing = [program for program in chosen if relock or not is_built(program)]
        go = Go.find(go_name) if missing else None
        for program in chosen:
            if go is None or program not in missing:
                say(f"{program.name} {program.version}: there already")
                continue
            say(f"{program.name} {program.version}: building (minutes where Go's cache is cold)")
            say(f"{program.name} {program.version}: built in {span(build(program, go, relock=relock))}")
    say(f"{len(chosen)} programs ready in {CACHE} after {span(time.monotonic() - started)}")


@contextmanager
def alone() -> Iterator[None]:
    """Keep a second build of the same checkout waiting: it would write the same files."""
    with (CACHE / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another build of the stack in this folder")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def span(seconds: float) -> str:
    """Return a duration as people say it."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{seconds:.1f} s"


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
