"""What a machine may lack without a test failing for it, and what not."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.realclient.obtained import obtained
from tools.realclient import install
from tools.realclient.install import CLIENTS, PACKAGE, VERSIONS, client_command
from tools.realclient.isolation import isolated

VERSION = VERSIONS[0]
INSTALLS = (
    "mkdir -p node_modules/@anthropic-ai/claude-code-any && touch node_modules/@anthropic-ai/claude-code-any/claude"
)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder on the PATH besides the shell's own; no client is installed yet, and it is CI."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("sh", "mkdir", "touch", "cat"):
        (folder / name).symlink_to(shutil.which(name) or pytest.skip(f"no {name}"))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(install, "CACHE", tmp_path / "cache")
    return folder


def write_program(folder: Path, name: str, script: str) -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
    (folder / name).chmod(0o755)


def failing(code: str) -> str:
    return f"echo 'npm error code {code}' >&2; echo 'npm error the words of it' >&2; exit 1"


def test_a_machine_without_npm_is_excused(programs: Path) -> None:
    with pytest.raises(pytest.skip.Exception, match="npm is not on the PATH"):
        obtained(lambda: client_command(VERSION))


@pytest.mark.parametrize("code", ["ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ETIMEDOUT"])
def test_a_machine_that_reaches_no_registry_is_excused(programs: Path, code: str) -> None:
    """The reason is in npm's own words, and what was begun is gone."""
    write_program(programs, "npm", failing(code))
    with pytest.raises(pytest.skip.Exception, match=f"code {code}\nnpm error the words of it"):
        obtained(lambda: client_command(VERSION))
    assert list(install.CACHE.iterdir()) == []


@pytest.mark.parametrize("script", [failing("EINTEGRITY"), failing("ETARGET"), failing("E404"), "exit 3", "true"])
def test_any_other_failure_of_npm_fails_the_test(programs: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """An installation that brings no program too; outside of CI the test is skipped, and neither leaves anything."""
    write_program(programs, "npm", script)
    with pytest.raises(pytest.fail.Exception, match="npm"):
        obtained(lambda: client_command(VERSION))
    monkeypatch.delenv("CI")
    with pytest.raises(pytest.skip.Exception, match="npm"):
        obtained(lambda: client_command(VERSION))
    assert list(install.CACHE.iterdir()) == []


def test_a_client_is_installed_once(programs: Path) -> None:
    """From the lock file of its version; then npm is not asked any more."""
    write_program(programs, "npm", f"cat package-lock.json && {INSTALLS}")
    command = client_command(VERSION)
    assert Path(command[0]).is_relative_to(install.CACHE / VERSION)
    assert Path(command[0]).exists()
    write_program(programs, "npm", "exit 1")
    assert client_command(VERSION) == command


def test_a_machine_that_refuses_namespaces_is_excused(programs: Path) -> None:
    """Without the program that makes them, and where the kernel says no, in its words."""
    with pytest.raises(pytest.skip.Exception, match="unshare is not on the PATH"):
        obtained(lambda: isolated(["true"]))
    write_program(programs, "unshare", "echo 'unshare failed: Operation not permitted' >&2; exit 1")
    with pytest.raises(pytest.skip.Exception, match="refused: unshare failed: Operation not permitted"):
        obtained(lambda: isolated(["true"]))


@pytest.mark.parametrize("version", VERSIONS)
def test_lock_files_hold_hashes_and_no_addresses(version: str) -> None:
    """Of the version their folder is named after; whoever installs asks the registry that npm is set to."""
    packages = json.loads((CLIENTS / version / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    assert packages[""]["dependencies"] == {PACKAGE: version}
    brought = {name.removeprefix("node_modules/"): package for name, package in packages.items() if name}
    own = {name: package for name, package in brought.items() if name.startswith(PACKAGE)}
    assert {package["version"] for package in own.values()} == {version}
    is_script = own[PACKAGE]["bin"] == {"claude": "cli.js"}
    assert is_script or {f"{PACKAGE}-linux-x64", f"{PACKAGE}-linux-arm64"} < own.keys()
    assert all(package["integrity"].startswith("sha512-") for package in brought.values())
    assert not any("resolved" in package for package in brought.values())
