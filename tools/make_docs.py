"""Write what the code itself knows into the documentation: CLI help, telemetry names, output shown in the README.

python -m tools.make_docs            writes docs/cli.md, docs/telemetry.md and the marked parts of README.md
python -m tools.make_docs --check    writes nothing and exits with 1 where a file would change
"""

from __future__ import annotations

import argparse
import importlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import click

from otel_bridge import semconv
from otel_bridge.cli import COMMANDS, app
from otel_bridge.declarations import Attribute
from otel_bridge.prometheus_names import series
from otel_bridge.semconv import ATTRIBUTES, OWN_ATTRIBUTES

ROOT = Path(__file__).parents[1]
HELP_WIDTH = 100
NO_TRANSCRIPTS = {"CLAUDE_CONFIG_DIR": "/nonexistent", "TZ": "UTC", "PYTHONIOENCODING": "utf-8"}
MARKED = re.compile(r"(<!-- begin: (\w+) -->\n).*?(<!-- end: \2 -->)", re.DOTALL)
GENERATED = "<!-- Made by tools/make_docs.py: `make docs` writes it anew. -->"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="only tell which files would change")
    check = parser.parse_args().check
    drifted = [path for path, text in pages().items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in drifted:
        sys.stdout.write(f"{path.relative_to(ROOT)} {'is out of date: run make docs' if check else 'written'}\n")
        if not check:
            path.write_text(pages()[path], encoding="utf-8")
    sys.exit(bool(check and drifted))


def pages() -> dict[Path, str]:
    """Return every generated file as it should be."""
    readme = ROOT / "README.md"
    return {
        ROOT / "docs" / "cli.md": cli_page(),
        ROOT / "docs" / "telemetry.md": telemetry_page(),
        readme: with_marked_parts(readme.read_text(encoding="utf-8")),
    }


def cli_page() -> str:
    """Return the help of every command."""
    parts = [f"# Command line\n\n{GENERATED}\n\n{code(help_of(app, 'otel-bridge'))}"]
    for name in sorted(COMMANDS):
        module: Any = importlib.import_module(f"otel_bridge.cli.{name}")
        parts += command_parts(module.command, name)
    parts.append(EXIT_CODES)
    return "\n\n".join(parts) + "\n"


def command_parts(command: click.Command, name: str) -> Iterator[str]:
    """Yield the help of a command and of the commands below it."""
    yield f"##{'#' * name.count(' ')} {name}\n\n{code(help_of(command, f'otel-bridge {name}'))}"
    if isinstance(command, click.Group):
        for inner, below in sorted(command.commands.items()):
            if not below.hidden:
                yield from command_parts(below, f"{name} {inner}")


EXIT_CODES = """\
## Exit codes

| code | meaning |
| --- | --- |
| 0 | done |
| 1 | a check of `doctor` failed |
| 2 | a wrong option, setting or combination of them |
| 3 | no transcript, session or model by the name given |
| 4 | the receiver did not take everything; the summary says what |
| 130 | interrupted |

Results go to stdout, everything said to people to stderr."""


def help_of(command: click.Command, name: str) -> str:
    """Return a command's help as a terminal of fixed width shows it."""
    context = click.Context(
        command, info_name=name, max_content_width=HELP_WIDTH, terminal_width=HELP_WIDTH, **app.context_settings
    )
    return command.get_help(context)


def telemetry_page() -> str:
    """Return all names we emit, by where they are found."""
    return "\n\n".join([
        f"# Telemetry\n\n{GENERATED}",
        *(semconv.__doc__ or "").split("\n\n")[1:2],
        f"Scope `{semconv.SCOPE.name}`, schema <{semconv.SCHEMA_URL}> (resource: <{semconv.RESOURCE_SCHEMA_URL}>).",
        OPT_IN_NOTE,
        "## Resource\n\n" + attribute_table(resource_names()),
        *(
            f"## Span `{span.operation}`\n\n{span.brief}. Kind {span.kind.name}, named"
            f" {', '.join(f'`{name}`' for name in span.names)}.\n\n{attribute_table(span.attributes)}"
            for span in semconv.SPANS
        ),
        "## Span links\n\n" + attribute_table([semconv.LINK_TYPE]),
        *(
            f"## Event `{event.name}`\n\n{event.brief}. Severity {event.severity_number}.\n\n"
            f"{attribute_table(event.attributes)}"
            for event in semconv.EVENTS
        ),
        METRICS_NOTE,
        metric_table(),
        "## Attributes of metrics alone\n\n" + attribute_table(metric_names()),
        OWN_NOTE,
        own_metric_table(),
        attribute_table(OWN_ATTRIBUTES),
    ]) + "\n"  # fmt: skip


def resource_names() -> list[str]:
    """Return the names that are on no span, link, event or metric alone: those of the resource."""
    elsewhere = {*shape_names(), *metric_names(), semconv.LINK_TYPE}
    return [name for name in ATTRIBUTES if name not in elsewhere]


def shape_names() -> set[str]:
    """Return the names on spans and events."""
    return {name for shape in (*semconv.SPANS, *semconv.EVENTS) for name in shape.attributes}


def metric_names() -> list[str]:
    """Return the names that only metrics carry (facts on who and where are the resource's on spans)."""
    on_metrics = {name for metric in semconv.METRICS.values() for name in metric.attributes}
    return [
        name
        for name in ATTRIBUTES
        if name in on_metrics and name not in shape_names() and name not in {semconv.HOST_TYPE, semconv.USER_NAME}
    ]


METRICS_NOTE = """\
## Metrics

All are cumulative per session and read with `last_over_time` ([metrics.md](metrics.md)); histograms are exponential."""


def metric_table() -> str:
    rows = [
        f"| `{metric.name}` | {metric.instrument} | `{metric.unit}` | {metric.brief} | {listed(metric.attributes)} |"
        for metric in semconv.METRICS.values()
    ]
    return "\n".join(["| metric | kind | unit | meaning | attributes |", "| --- | --- | --- | --- | --- |", *rows])


OWN_NOTE = """\
## The bridge's own metrics

How the bridge itself is doing. Nothing of it is sent: Prometheus asks for it ([serving.md](serving.md))."""


def own_metric_table() -> str:
    """Return the metrics that the bridge counts of itself, by the names that Prometheus gets."""
    rows = [
        f"| `{series(metric).name}` | `{metric.name}` | {metric.instrument} | `{metric.unit}` | {metric.brief} |"
        f" {listed(metric.attributes)} |"
        for metric in semconv.OWN_METRICS.values()
    ]
    head = "| shown as | metric | kind | unit | meaning | attributes |\n| --- | --- | --- | --- | --- | --- |"
    return "\n".join([head, *rows])


def listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


OPT_IN_NOTE = """\
✱ marks what is only sent when asked for (`--content`, `--paths`). Span and trace ids are hashes of facts: the same
transcripts give the same spans on any machine and day."""


def attribute_table(names: Iterable[str]) -> str:
    declared = ATTRIBUTES | OWN_ATTRIBUTES
    rows = [attribute_row(declared[name]) for name in dict.fromkeys(names)]
    return "\n".join(["| attribute | type | unit | meaning |", "| --- | --- | --- | --- |", *rows])


def attribute_row(attribute: Attribute) -> str:
    mark = " ✱" if attribute.is_opt_in else ""
    unit = f"`{attribute.unit}`" if attribute.unit else ""
    return f"| `{attribute.name}`{mark} | {attribute.type} | {unit} | {attribute.brief} |"


def with_marked_parts(text: str) -> str:
    """Return a page with the parts between ``begin`` and ``end`` comments made anew."""
    return MARKED.sub(lambda found: f"{found[1]}{PARTS[found[2]]()}\n{found[3]}", text)


def sample_stats() -> str:
    """Return what ``stats`` prints for the samples."""
    return code("$ otel-bridge stats\n" + run("stats", "--or-samples", "--timezone", "UTC"))


def sample_trees() -> str:
    """Return the tree of the session with nested sub-agents."""
    return code("$ otel-bridge show fcea\n" + run("show", "fcea", "--or-samples"))


def command_table() -> str:
    """Return the commands with their first sentences."""
    rows = [f"| `otel-bridge {name}` | {brief} |" for name, brief in sorted(COMMANDS.items())]
    return "\n".join(["| command | what it does |", "| --- | --- |", *rows])


PARTS: dict[str, Callable[[], str]] = {"stats": sample_stats, "trees": sample_trees, "usage": command_table}


def run(*arguments: str) -> str:
    """Return what a command prints on a machine without transcripts, in UTC."""
    command = [sys.executable, "-m", "otel_bridge", *arguments]
    with tempfile.TemporaryDirectory() as data_dir:
        env = os.environ | NO_TRANSCRIPTS | {"OTEL_BRIDGE_DATA_DIR": data_dir}
        return subprocess.run(command, env=env, capture_output=True, check=True, encoding="utf-8").stdout


def code(text: str) -> str:
    lines = (line.rstrip() for line in text.strip("\n").splitlines())
    return "```text\n" + "\n".join(lines) + "\n```"


if __name__ == "__main__":
    main()
