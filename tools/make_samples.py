"""Make the sample sessions of the package, or the test fixtures, from recordings of real client runs of our own.

    python -m tools.make_samples CAPTURES_DIR          writes otel_bridge/samples/
    python -m tools.make_samples CAPTURES_DIR --all    writes tests/data/captures/

CAPTURES_DIR has a folder VERSION/SCENARIO for each run with its ``projects`` and ``otlp``. Nothing is written unless
every session reads exactly as before stripping: calls, tokens, cost, the client's own total and what it leaves open.
"""

from __future__ import annotations

import argparse
import io
import shutil
import sys
import tarfile
import tempfile
from datetime import UTC
from pathlib import Path
from typing import Any

import msgspec

from otel_bridge.pipeline.sessions import SessionLibrary
from otel_bridge.pipeline.stats import collect_stats
from otel_bridge.sources.transcript.discover import discover_sessions
from tools.native_telemetry import native_account, render
from tools.strip_capture import strip_lines

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "otel_bridge" / "samples"
FIXTURES = ROOT / "tests" / "data" / "captures"
SAMPLE_RUNS = ("1.0.60/basic", "2.1.329/basic", "2.1.329/compact", "2.1.329/turns")

FAR_FUTURE_NS = 4_000_000_000_000_000_000
WORDING_KEYS = frozenset({"result_bytes", "length", "paths", "path", "offset_bytes"})
"""Fields of a session that measure the client's wording or say where files lie: they may differ."""


class ChangedError(Exception):
    """Stripping would change a figure."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", type=Path, metavar="CAPTURES_DIR")
    parser.add_argument("--all", action="store_true", help="write the test fixtures of all runs")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.all:
            write_fixtures(options.captures, Path(folder))
        else:
            write_samples(options.captures, Path(folder))


def write_samples(captures: Path, work: Path) -> None:
    """Put the sample runs together into one projects folder and replace the package's."""
    for run in SAMPLE_RUNS:
        strip_run(captures / run / "projects", work / run)
        shutil.copytree(work / run, work / "samples", dirs_exist_ok=True)
    publish(work / "samples", SAMPLES)


def write_fixtures(captures: Path, work: Path) -> None:
    """Write for each run archives of its stripped transcripts and its telemetry, and what the client counted itself."""
    for source in sorted(captures.glob("*/*/projects")):
        run = source.parent
        name = run.relative_to(captures)
        strip_run(source, work / "stripped" / name)
        target = work / "fixtures" / name
        target.mkdir(parents=True)
        (target / "transcripts.tar.xz").write_bytes(packed(work / "stripped" / name))
        (target / "expected.json").write_text(render(native_account(run / "otlp")), encoding="utf-8")
        (target / "native.tar.xz").write_bytes(packed(run / "otlp"))
    publish(work / "fixtures", FIXTURES)


def strip_run(source: Path, target: Path) -> None:
    """Write a run's projects folder stripped, and compare what the reader makes of both.

    Raises:
        ChangedError: some figure differs.
    """
    for path in sorted(source.rglob("*.json*")):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".jsonl":
            copy.write_bytes(b"".join(strip_lines(path.read_bytes().splitlines())))
        else:
            copy.write_bytes(path.read_bytes())
    for figures in (stats_of, sessions_of):
        if figures(source) != figures(target):
            raise ChangedError(f"stripping {source} changes what {figures.__name__} returns; nothing was written")


def stats_of(projects: Path) -> Any:
    """Return what ``otel-bridge stats --json`` counts, without the account of lines."""
    stats = collect_stats(discover_sessions([projects]), zone=UTC, workers=1)
    return [
        stats.totals,
        stats.by_model,
        stats.by_day,
        stats.sessions,
        stats.client_cost_usd,
        stats.unrecorded_cost_usd,
    ]


def sessions_of(projects: Path) -> Any:
    """Return the sessions as ``otel-bridge show --json`` has them, without measures of the client's wording."""
    library = SessionLibrary(discover_sessions([projects]), now_ns=FAR_FUTURE_NS, workers=1)
    return [without_wording(msgspec.to_builtins(session)) for session in library]


def without_wording(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_wording(item) for key, item in value.items() if key not in WORDING_KEYS}
    if isinstance(value, list | tuple):
        return [without_wording(item) for item in value]
    return value


def packed(folder: Path) -> bytes:
    """Return a folder as an archive that is the same on every machine and day."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:xz", preset=9) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = tarfile.TarInfo(path.relative_to(folder).as_posix())
            entry.size = path.stat().st_size
            with path.open("rb") as content:
                archive.addfile(entry, content)
    return buffer.getvalue()


def publish(made: Path, target: Path) -> None:
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(made, target)
    sizes = [path.stat().st_size for path in target.rglob("*") if path.is_file()]
    sys.stdout.write(f"{len(sizes)} files, {sum(sizes):,} bytes in {target.relative_to(ROOT)}\n")


if __name__ == "__main__":
    main()
