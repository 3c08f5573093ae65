"""`make stack` builds once, notices what changed, and says what to do where it cannot build."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.stack import build as command
from tools.stack import gobuild
from tools.stack.gobuild import BuildError, Go, build, is_built
from tools.stack.programs import Program

FAKE_GO = """#!/bin/sh
case "$1" in
  env) echo {version} ;;
  build) while [ "$1" != -o ]; do shift; done; echo building; {action} ;;
esac
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that stands for .cache/stack."""
    folder = tmp_path / "cache"
    folder.mkdir()
    for module in ("tools.stack.programs", "tools.stack.gobuild", "tools.stack.build"):
        monkeypatch.setattr(f"{module}.CACHE", folder)
    return folder


@pytest.fixture
def tool(tmp_path: Path) -> Program:
    """Return a program whose sources are a go.mod."""
    sources = tmp_path / "tool"
    sources.mkdir()
    (sources / "go.mod").write_text("module tool\n")
    return Program("tool", "1.2.3", {"tool": "example.org/tool"}, sources)


def go(folder: Path, action: str = 'echo "$2" > "$2"', version: str = "go1.99.1") -> Go:
    """Return a Go that builds in no time."""
    script = folder / "go"
    script.write_text(FAKE_GO.format(action=action, version=version))
    script.chmod(0o755)
    return Go.find(str(script))


def test_a_program_is_built_once(tool: Program, cache: Path) -> None:
    """And again when its sources change, or its binary is gone."""
    assert not is_built(tool)
    build(tool, go(cache))
    assert is_built(tool)
    assert (cache / "tool-1.2.3" / "tool").exists()
    (tool.sources / "go.mod").write_text("module tool // changed\n")
    assert not is_built(tool)
    build(tool, go(cache))
    (tool.home / "tool").unlink()
    assert not is_built(tool)


def test_a_warm_run_does_not_ask_for_go(tool: Program, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is there is told, with the time it took."""
    build(tool, go(cache))
    command.build_all([tool], go_name="no-such-go", relock=False)
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "tool 1.2.3: there already"
    assert said[1].startswith("1 programs ready in")


def test_without_go_the_way_to_get_it_is_told(tool: Program, cache: Path) -> None:
    """Before anything is done."""
    with pytest.raises(BuildError, match=r"'no-such-go' is not on the PATH.\nInstall it \(https://go.dev/dl/\)"):
        command.build_all([tool], go_name="no-such-go", relock=False)


def test_an_old_go_is_told_from_a_new_one(cache: Path) -> None:
    """With the version that was found and the one that is needed."""
    with pytest.raises(BuildError, match=r"Go 1\.26 or newer; .* says it is 'go1\.9\.7'"):
        go(cache, version="go1.9.7")


def test_a_failed_build_says_what_failed_where_and_what_to_do(tool: Program, cache: Path) -> None:
    """The last lines of Go's own words, the whole log, the folder; what was built before stays."""
    build(tool, go(cache))
    with pytest.raises(BuildError) as failure:
        build(tool, go(cache, action="echo no such module >&2; exit 3"))
    said = str(failure.value)
    assert said.startswith("tool 1.2.3 could not be built.\n")
    for part in (
        f"In {tool.sources}, this ended with 3:",
        "    no such module",
        f"{cache / 'tool.log'}",
        "Run it again",
    ):
        assert part in said
    assert (tool.home / "tool").exists()


def test_unknown_names_are_refused_with_the_known_ones(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A typing error is no build of everything."""
    monkeypatch.setattr("sys.argv", ["build", "promethius"])
    with pytest.raises(SystemExit, match="2"):
        command.main()
    assert "no program is called promethius; there are prometheus, otelcol" in capsys.readouterr().err


def test_the_recipe_is_part_of_the_stamp(tool: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """Other flags are another program."""
    before = gobuild.fingerprint(tool)
    assert gobuild.fingerprint(Program("tool", "1.2.3", tool.binaries, tool.sources, tags="more")) != before
