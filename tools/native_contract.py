"""Make the table of what each client version sends, from the recordings in tests/data/captures.

    python -m tools.native_contract     writes otel_bridge/sources/native/contract.tsv

A new client version gets a column by recording it and running this; what it changes is printed.
"""

from __future__ import annotations

import sys
from pathlib import Path

from otel_bridge.sources.native.contract import Observer, differences, known_shape, parse_table, render_table
from tests.captures import RUNS
from tests.native import log_requests, metric_requests, trace_requests

TABLE = Path(__file__).parents[1] / "otel_bridge" / "sources" / "native" / "contract.tsv"


def main() -> None:
    before = parse_table(TABLE.read_text(encoding="utf-8")) if TABLE.exists() else {}
    observers: dict[str, Observer] = {}
    for run in RUNS:
        observer = observers.setdefault(run.split("/", 1)[0], Observer())
        for request in (*log_requests(run), *trace_requests(run), *metric_requests(run)):
            observer.watch(request)
    table = {version: observer.shape() for version, observer in observers.items()}
    TABLE.write_text(render_table(table), encoding="utf-8")
    for version in table.keys() - before.keys():
        if before:
            known, shape = known_shape(before, version)
            for line in differences(shape, table[version]):
                sys.stdout.write(f"{version}, compared with {known}: {line}\n")


if __name__ == "__main__":
    main()
