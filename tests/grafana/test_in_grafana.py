"""What runs inside Grafana, run by its own packages: the TraceQL grammar and the transformations of tables."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.grafana.shipped import PANELS, QUERIES, Shipped, name_of
from tests.grafana.test_dashboards import LINKS

pytestmark = pytest.mark.slow

SOURCES = Path(__file__).parent / "node"
CACHE = Path(__file__).parents[2] / ".cache"
TABLES = [each for each in PANELS if each.panel["type"] == "table" and each.panel["datasource"]["type"] == "prometheus"]


@pytest.fixture(scope="session")
def packages() -> Path:
    """Return a folder with our scripts and the packages they use, installed once per lock file."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            message = f"{program} is missing: it runs Grafana's own packages"
            pytest.fail(message) if os.environ.get("CI") == "true" else pytest.skip(message)
    files = sorted(path for path in SOURCES.iterdir() if path.is_file())
    stamp = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
    home = CACHE / f"grafana-packages-{stamp}"
    if not home.exists():
        install(files, home)
    return home


def install(files: list[Path], home: Path) -> None:
    """Install beside the place and move it there whole: two workers may do so at once."""
    CACHE.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=CACHE, prefix="grafana-packages-"))
    for path in files:
        shutil.copy(path, folder)
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert answer.returncode == 0, answer.stderr
    try:
        folder.rename(home)
    except OSError:
        shutil.rmtree(folder)


def run(script: Path, given: Any) -> Any:
    """Return what a script answers to JSON."""
    answer = subprocess.run(
        ["node", script.name],
        cwd=script.parent,
        input=json.dumps(given),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


def traceql() -> dict[str, str]:
    """Return every TraceQL query, of panels and of links."""
    found = {name_of(query): query.text for query in QUERIES if query.kind == "traceql"}
    for each, title, url in LINKS:
        if urlsplit(url).path == "/explore":
            (panes,) = parse_qs(urlsplit(url).query)["panes"]
            found[f"{each}-{title}"] = re.sub(
                r"\$\{[^}]+\}", "value", json.loads(panes)["traces"]["queries"][0]["query"]
            )
    return found


def test_every_traceql_query_is_one(packages: Path) -> None:
    """Grafana's grammar of TraceQL finds no mistake in them, and does find one that is there."""
    asked = traceql()
    assert len(asked) >= 3
    mistakes = run(packages / "traceql.js", [*asked.values(), "{ span.a = }"])
    assert mistakes.pop() is not None
    assert dict(zip(asked, mistakes, strict=True)) == dict.fromkeys(asked)


def frames(each: Shipped) -> list[dict[str, Any]]:
    """Return answers to a table's queries as Grafana's datasource makes them: two rows, the second with two names."""
    arranged = next(t["options"] for t in each.panel["transformations"] if t["id"] == "organize")
    gathered = {
        t["filter"]["options"]: t["options"]["fields"] for t in each.panel["transformations"] if t["id"] == "groupBy"
    }
    keys = [name for name in arranged["indexByName"] if not name.startswith("Value") and "(" not in name]
    refs = [target["refId"] for target in each.panel["targets"]]
    made = []
    for ref in refs:
        rows = ["one", "two", "two"] if ref in gathered else ["one", "two"]
        fields = [{"name": "Time", "type": "time", "config": {}, "values": [0] * len(rows)}]
        fields += [
            {"name": key, "type": "string", "config": {}, "values": [f"{key} {row}" for row in rows]} for key in keys
        ]
        for label in gathered.get(ref, {}).keys() - set(keys):
            fields.append({"name": label, "type": "string", "config": {}, "values": ["a", "a", "b"]})
        value = "Value" if len(refs) == 1 else f"Value #{ref}"
        fields.append(
            {"name": value, "type": "number", "config": {}, "values": [ord(ref) + at for at in range(len(rows))]}
        )
        made.append({"refId": ref, "fields": fields})
    return made


def cells(name: str) -> list[Any]:
    """Return what a column of two rows holds by its name: texts of a key, names gathered, or a query's numbers."""
    if "(" in name:
        return [["a"], ["a", "b"]]
    if not name.startswith("Value"):
        return [f"{name} one", f"{name} two"]
    first = ord(name.removeprefix("Value #") if "#" in name else "A")
    return [first, first + 1]


@pytest.mark.parametrize("each", TABLES, ids=name_of)
def test_tables_have_their_columns_in_order_and_a_row_per_key(packages: Path, each: Shipped) -> None:
    """Keys first, then one column per query; the queries' rows meet in one, and nothing else is shown."""
    given = {"transformations": each.panel["transformations"], "frames": frames(each)}
    (columns,) = run(packages / "transform.cjs", given)
    arranged = next(t["options"] for t in each.panel["transformations"] if t["id"] == "organize")
    assert [column["title"] for column in columns] == list(arranged["renameByName"].values())
    assert {column["name"]: column["values"] for column in columns} == {
        column["name"]: cells(column["name"]) for column in columns
    }
