"""The Dockerfile, as far as it can be run without an engine: its own commands, its files, its user."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.composed import ROOT, image_environment

TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")
HOME = "/opt/otel-bridge"
DATA_DIR = "OTEL_BRIDGE_DATA_DIR"
DATA = image_environment()[DATA_DIR]
SUITABLE = "import sys, ensurepip; sys.exit(sys.version_info < (3, 11))"


def steps(*kinds: str) -> list[tuple[str, str]]:
    """Return the instructions of the given kinds, in order, continued lines joined."""
    lines = re.sub(r"\\\n\s*", "", TEXT).splitlines()
    split = [line.split(" ", 1) for line in lines if line and not line.startswith("#")]
    return [(kind, rest) for kind, rest in split if kind in kinds]


def step(kind: str) -> str:
    """Return the last instruction of a kind."""
    return steps(kind)[-1][1]


USER, GROUP = map(int, step("USER").split(":"))


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """Do what the Dockerfile does in a folder that every user may read; return the folder of the programs."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        source, home, data = folder / "src", folder / "opt", folder / "data"
        source.mkdir()
        for kind, rest in steps("COPY", "RUN"):
            if kind == "COPY" and not rest.startswith("--from"):
                copy(shlex.split(rest), source)
            elif kind == "RUN":
                command = rest.replace(HOME, str(home)).replace(DATA, str(data))
                command = re.sub(r"^python ", f"{everyones_python()} ", command)
                env = {"PATH": f"{everyones_python().parent}:/usr/bin:/bin", "HOME": name, "PIP_NO_CACHE_DIR": "1"}
                known = {
                    key: value for key, value in os.environ.items() if key.startswith(("PIP_", "SSL_", "REQUESTS_"))
                }
                subprocess.run(command, shell=True, cwd=source, env=known | env, check=True, timeout=300)
        yield home


def everyones_python() -> Path:
    """Return a Python that other users may run, if there is one; else ours."""
    for path in (Path(sys.executable), Path("/usr/local/bin/python3"), Path("/usr/bin/python3")):
        if (
            is_everyones(path)
            and subprocess.run([path, "-c", SUITABLE], capture_output=True, check=False).returncode == 0
        ):
            return path
    return Path(sys.executable)


def is_everyones(path: Path) -> bool:
    """Say whether users without rights can reach a program."""
    real = path.resolve()
    return real.is_file() and all(part.stat().st_mode & 1 for part in (real, *real.parents))


def copy(words: list[str], to: Path) -> None:
    """Copy as COPY does: into a folder where the last word ends with a slash."""
    *sources, target = words
    place = to / target
    for name in sources:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, place)


def as_nobody(image: Path, *arguments: str, user: int = USER, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the entry point in a new container: as the image's user, or another of its group, without name and home."""
    if os.geteuid() != 0 or not is_everyones(image / "bin" / "python"):
        pytest.skip("only root can become another user, who then needs a Python that he may run")
    data = image.parent / "data"
    for path in data.iterdir():
        path.unlink()
    (entry,) = json.loads(step("ENTRYPOINT"))
    return subprocess.run(
        [str(image / "bin" / entry), *arguments],
        user=user,
        group=GROUP,
        extra_groups=[],
        cwd="/",
        env={"PATH": "/usr/bin:/bin", **image_environment(), DATA_DIR: str(data), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_what_is_copied_is_there_and_not_ignored() -> None:
    """`.dockerignore` lets exactly these through."""
    copied = {name for kind, rest in steps("COPY") if not rest.startswith("--from") for name in shlex.split(rest)[:-1]}
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {name.split("/")[0] for name in copied} == allowed
    assert all((ROOT / name).exists() for name in copied)


def test_both_stages_start_from_the_same_pinned_image() -> None:
    """The environment of the first is used in the second: its Python must be the same."""
    bases = {rest.split()[0] for _, rest in steps("FROM")}
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", bases.pop())


def test_the_user_has_no_rights() -> None:
    """Not root, and of the group that OpenShift gives."""
    assert USER >= 10_000
    assert GROUP == 0


def test_packages_are_taken_by_hash() -> None:
    """All of the lock, nothing that it does not name."""
    installs = [rest for _, rest in steps("RUN") if "pip install" in rest]
    assert all("--require-hashes" in rest or "--no-deps --no-build-isolation" in rest for rest in installs)
    assert "requirements/run.lock" in installs[0]


@pytest.mark.slow
def test_the_commands_of_the_dockerfile_make_a_program_that_runs(image: Path) -> None:
    """As a user without name, home and rights."""
    assert as_nobody(image, "--version").stdout.startswith("otel-bridge ")
    done = as_nobody(image, "stats", "--or-samples", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["totals"]["calls"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("user", [USER, 54_321])
def test_the_index_is_kept_where_the_image_says(image: Path, user: int) -> None:
    """By its own user and by any other of group 0; nobody else reads it."""
    done = as_nobody(image, "sync", "--or-samples", user=user)
    assert done.returncode == 0, done.stderr
    (index,) = (image.parent / "data").glob("*.sqlite3")
    found = index.stat()
    assert (found.st_uid, oct(found.st_mode & 0o777)) == (user, "0o600")


@pytest.mark.slow
def test_the_program_sends_over_every_protocol(image: Path) -> None:
    """Nothing that it needs was left out: an absent receiver is all that is wrong."""
    for protocol in ("grpc", "http/protobuf"):
        done = as_nobody(
            image,
            "export",
            "--or-samples",
            "--endpoint",
            "http://127.0.0.1:9",
            "--protocol",
            protocol,
            "--give-up",
            "0",
        )
        assert done.returncode == 4, done.stderr


@pytest.mark.slow
def test_what_builds_is_not_in_the_image(image: Path) -> None:
    """Neither pip nor the build back end; every requirement of what is left is met."""
    names = {path.name.split("-")[0].lower() for path in image.glob("lib/python3*/site-packages/*.dist-info")}
    assert {"otel_bridge", "grpcio", "msgspec"} <= names
    assert not {"pip", "hatchling", "editables", "pathspec", "pluggy"} & names
    needed = """if True:
        import re, sys
        from importlib.metadata import distributions, PackageNotFoundError, version
        for package in distributions():
            for requirement in package.requires or ():
                name, _, marker = requirement.partition(";")
                if not marker:
                    version(re.match(r"[\\w.-]+", name)[0])
    """
    done = subprocess.run([image / "bin" / "python", "-c", needed], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
