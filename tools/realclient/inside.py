"""What happens in the namespaces: a project, the scripted API, and all runs of a scenario, one after the other.

    unshare -nm python -m tools.realclient.inside [--door PORT=SOCKET] FOLDER SCENARIO CLIENT…

FOLDER/home is the client's home, FOLDER/log what was said on all sides. A door leads from a port of loopback in there
to a server out here (``tools.realclient.door``).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from tools.realclient.client import Client
from tools.realclient.door import way_out
from tools.realclient.errors import ClientError
from tools.realclient.isolation import settle_in
from tools.realclient.scenario import Scenario, ScenarioError, load_scenario
from tools.realclient.stub_api import StubApi

_NO_GIT_CONFIGURATION = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}


def play(folder: Path, file: Path, command: list[str]) -> None:
    """Play a scenario to its end.

    Raises:
        ScenarioError: the file is no scenario.
        ClientError: a run failed.
        subprocess.CalledProcessError: git cannot make the project.
    """
    home, log = folder / "home", folder / "log"
    project = home / "src" / file.stem
    scenario = load_scenario(file, project)
    for each in (log, home / "tmp"):
        each.mkdir(parents=True)
    write_files(scenario, home, project)
    path = f"{home / 'bin'}:{os.environ['PATH']}"
    with StubApi(scenario, requests=log / "requests.jsonl") as api:
        client = Client(command, home=home, project=project, logs=log, path=path, api_url=api.url)
        for run in scenario.runs:
            if run.branch is not None:
                git(project, "switch", "--quiet", "--create", run.branch)
            client.run(run)


def write_files(scenario: Scenario, home: Path, project: Path) -> None:
    """Write the programs of a scenario and its project, a git repository with one commit."""
    for folder, files, mode in ((home / "bin", scenario.programs, 0o755), (project, scenario.files, 0o644)):
        for name, text in files.items():
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
            place.chmod(mode)
    git(project, "init", "--quiet", "--initial-branch=main")
    git(project, "config", "user.name", "Robin")
    git(project, "config", "user.email", "robin@example.com")
    git(project, "add", "--all")
    git(project, "commit", "--quiet", "--message=Begin")


def git(project: Path, *arguments: str) -> None:
    """Run git in the project, without anybody's configuration."""
    subprocess.run(["git", *arguments], cwd=project, env=os.environ | _NO_GIT_CONFIGURATION, check=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--door", metavar="PORT=SOCKET", help="a port of loopback and the socket that is behind it")
    parser.add_argument("folder", type=Path)
    parser.add_argument("scenario", type=Path)
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="CLIENT…")
    options = parser.parse_args()
    try:
        settle_in()
        with _door(options.door):
            play(options.folder, options.scenario, options.command)
    except (ScenarioError, ClientError, OSError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _door(wanted: str | None) -> AbstractContextManager[None]:
    if wanted is None:
        return nullcontext()
    port, _, path = wanted.partition("=")
    return way_out(int(port), Path(path))


if __name__ == "__main__":
    sys.exit(main())
