"""Documentation that the code itself can tell is exactly what the code tells."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from otel_bridge.cli import COMMANDS
from otel_bridge.semconv import ATTRIBUTES
from tools.make_docs import ROOT, pages

GENERATED = ("README.md", "docs/cli.md", "docs/telemetry.md")
LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.fixture(scope="module")
def generated() -> dict[str, str]:
    """Return the generated pages by name, as they should be."""
    return {path.relative_to(ROOT).as_posix(): text for path, text in pages().items()}


@pytest.mark.parametrize("name", GENERATED)
def test_generated_documentation_is_up_to_date(name: str, generated: dict[str, str]) -> None:
    """Help, telemetry names and sample output in the docs are those of this code; `make docs` writes them."""
    assert (ROOT / name).read_text(encoding="utf-8") == generated[name]


def test_every_command_is_documented(generated: dict[str, str]) -> None:
    """The README names every command, and the command line page has the help of each."""
    for name in COMMANDS:
        assert f"`otel-bridge {name}`" in generated["README.md"]
        assert f"Usage: otel-bridge {name}" in generated["docs/cli.md"]


def test_every_attribute_is_documented(generated: dict[str, str]) -> None:
    """The telemetry page has a row for every attribute we declare."""
    assert [name for name in ATTRIBUTES if f"| `{name}`" not in generated["docs/telemetry.md"]] == []


@pytest.mark.parametrize("path", sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]), ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    """Every relative link in the documentation names a file that exists."""
    targets = LINK.findall(path.read_text(encoding="utf-8"))
    assert [target for target in targets if not (path.parent / target).exists()] == []


def test_every_folder_is_in_the_architecture() -> None:
    """The architecture page has a paragraph for every folder and module at the top of the package."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    parts = [path for path in (ROOT / "otel_bridge").iterdir() if path.is_dir() or path.suffix == ".py"]
    names = [path.name + "/" * path.is_dir() for path in parts if not path.name.startswith("_")]
    assert [name for name in names if f"`{name}" not in text] == []
