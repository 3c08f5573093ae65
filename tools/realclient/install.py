"""Install a pinned client with npm into .cache/realclient/VERSION; its lock file has the hashes of what npm may bring.

python -m tools.realclient.install                 all versions that are not there yet
python -m tools.realclient.install --lock 2.1.400  write clients/2.1.400: from then on tests run that version too
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.realclient.errors import CannotBeHadError, ClientError

PACKAGE = "@anthropic-ai/claude-code"
CLIENTS = Path(__file__).parent / "clients"
CACHE = Path(__file__).parents[2] / ".cache" / "realclient"
VERSIONS = tuple(sorted((folder.name for folder in CLIENTS.iterdir()), key=lambda name: [*map(int, name.split("."))]))
"""The versions with a lock file, the newest last."""

_UNREACHABLE = {
    "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "EIDLETIMEOUT", "ENETUNREACH", "ENOTCACHED", "ENOTFOUND",
    "ERR_SOCKET_TIMEOUT", "ETIMEDOUT",
}  # fmt: skip
"""How npm says that no registry answers it."""

_CODE = re.compile(r"^npm (?:error|ERR!) code (\S+)", re.MULTILINE)
_COMPLAINT_LINES = 5
_NPM_WITHIN_S = 600


def client_command(version: str) -> list[str]:
    """Return what starts a client, installed first where it is not there yet.

    Raises:
        CannotBeHadError: there is no npm, or no registry answers it.
        ClientError: npm fails otherwise, or brings nothing that runs on this machine.
    """
    home = CACHE / version
    if not home.exists():
        _install(version, home)
    return _command(home)


def _command(folder: Path) -> list[str]:
    packages = folder / "node_modules" / "@anthropic-ai"
    programs = [str(path) for path in packages.glob("claude-code-*/claude")]
    script = packages / "claude-code" / "cli.js"
    if programs:
        return programs[:1]
    if script.exists():  # older clients are not programs of their own
        return ["node", str(script)]
    raise ClientError(f"npm brought no client that runs on this machine into {packages}")


def _install(version: str, home: Path) -> None:
    """Install beside the place and move it there whole: two processes may do so at once."""
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=CACHE, prefix=f"{version}-"))
    try:
        for name in ("package.json", "package-lock.json"):
            shutil.copy(CLIENTS / version / name, folder)
        _npm("ci", "--ignore-scripts", "--no-audit", "--no-fund", cwd=folder)
        _command(folder)
        folder.rename(home)
    except OSError as error:
        if not home.exists():
            raise ClientError(f"cannot put {PACKAGE} {version} into {home}: {error}") from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _npm(*arguments: str, cwd: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise CannotBeHadError("npm is not on the PATH: it installs the client")
    patience = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-timeout=60000")
    command = [npm, *arguments, *patience]
    try:
        answer = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=_NPM_WITHIN_S, check=False)
    except subprocess.TimeoutExpired:
        raise ClientError(f"npm {arguments[0]} took more than {_NPM_WITHIN_S} s in {cwd}") from None
    if answer.returncode:
        code = _CODE.search(answer.stderr)
        failure = CannotBeHadError if code and code[1] in _UNREACHABLE else ClientError
        raise failure(f"npm {arguments[0]} failed in {cwd}:\n{_complaint(answer.stderr)}")


def _complaint(told: str) -> str:
    """Return what npm says is wrong, without warnings and stack, or all it said."""
    lines = [line for line in told.splitlines() if line.startswith(("npm error", "npm ERR!"))]
    return "\n".join(lines[:_COMPLAINT_LINES]) or told.strip()


def lock(version: str) -> None:
    """Write the folder of one more version: its packages with their hashes, and no address of a registry.

    Raises:
        CannotBeHadError: there is no npm, or no registry answers it.
        ClientError: npm fails otherwise.
    """
    folder = CLIENTS / version
    folder.mkdir(exist_ok=True)
    package = {"name": "realclient", "private": True, "dependencies": {PACKAGE: version}}
    (folder / "package.json").write_text(json.dumps(package, indent=2) + "\n", encoding="utf-8")
    _npm("install", "--package-lock-only", "--omit-lockfile-registry-resolved", cwd=folder)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lock", metavar="VERSION", help="write the lock file of one more version")
    options = parser.parse_args()
    try:
        if options.lock:
            lock(options.lock)
        for version in (options.lock,) if options.lock else VERSIONS:
            print(f"{PACKAGE} {version}: {' '.join(client_command(version))}")
    except (CannotBeHadError, ClientError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
