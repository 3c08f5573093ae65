"""The built package: what a user installs has everything it needs."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_wheel_runs_on_its_samples(tmp_path: Path) -> None:
    """A wheel built from the checkout has samples, prices and types, and counts the samples away from the checkout."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        archive.extractall(unpacked)
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"otel_bridge"}
    assert {"otel_bridge/py.typed", "otel_bridge/prices/table.json"} <= set(names)
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    stats = subprocess.run(
        [sys.executable, "-m", "otel_bridge", "stats", "--json", "--or-samples"],
        env=os.environ | {"PYTHONPATH": str(unpacked), "CLAUDE_CONFIG_DIR": str(tmp_path / "none")},
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    assert len(json.loads(stats.stdout)["sessions"]) == 6


def test_locks_pin_by_hash_and_name_no_place() -> None:
    """The lock files pin every package with its hashes and say nothing of where they were made or are fetched from."""
    for lock in sorted((ROOT / "requirements").glob("*.lock")):
        packages = lock.read_text(encoding="utf-8").replace("\\\n", "").splitlines()
        assert len(packages) > 20
        for package in packages:
            assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; [^;/]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", package), package
