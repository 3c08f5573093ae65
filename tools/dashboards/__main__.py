"""Write the dashboards to grafana/dashboards/.

python -m tools.dashboards            writes a JSON file per dashboard and removes those that no code makes
python -m tools.dashboards --check    writes nothing and exits with 1 where a file would change
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tools.dashboards.cost_per_pr import cost_per_pr
from tools.dashboards.layout import as_json
from tools.dashboards.models_and_tokens import models_and_tokens
from tools.dashboards.tool_latency import tool_latency

FOLDER = Path(__file__).parents[2] / "grafana" / "dashboards"
DASHBOARDS = {
    "cost-per-pr.json": cost_per_pr,
    "tool-latency.json": tool_latency,
    "models-and-tokens.json": models_and_tokens,
}


def files() -> dict[Path, str]:
    """Return every file as it should be."""
    return {FOLDER / name: as_json(build()) for name, build in DASHBOARDS.items()}


def drifted() -> list[Path]:
    """Return the files that are missing, differ, or that no code makes."""
    wanted = files()
    stale = [path for path, text in wanted.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    return stale + [path for path in sorted(FOLDER.glob("*.json")) if path not in wanted]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only tell which files would change")
    check = parser.parse_args().check
    paths = drifted()
    for path in paths:
        sys.stdout.write(f"{path.name} {'is out of date: run make dashboards' if check else 'written'}\n")
    if not check:
        _write(paths)
    sys.exit(bool(check and paths))


def _write(paths: list[Path]) -> None:
    wanted = files()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for path in paths:
        if path in wanted:
            path.write_text(wanted[path], encoding="utf-8")
        else:
            path.unlink()


if __name__ == "__main__":
    main()
