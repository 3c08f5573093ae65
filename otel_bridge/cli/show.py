"""``otel-bridge show``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from otel_bridge.cli.json_output import print_json
from otel_bridge.cli.options import find_sessions, json_option, paths_argument, samples_option
from otel_bridge.pipeline.sessions import SessionLibrary, find_session
from otel_bridge.settings import worker_count


@click.command("show", epilog="Example: otel-bridge show 2efd1f5f")
@click.argument("session")
@paths_argument
@json_option
@samples_option
def command(session: str, paths: tuple[Path, ...], as_json: bool, or_samples: bool) -> None:
    """Show one session as a tree: turns, model calls, tools, sub-agents, cost.

    SESSION is the id or the start of it. All transcripts are looked at, because another session may own a part of a
    forked one.
    """
    files = find_sessions(paths, or_samples=or_samples)
    session_id = find_session(files, session)
    library = SessionLibrary(files, now_ns=time.time_ns(), workers=worker_count())
    found = library[session_id]
    if as_json:
        print_json(found)
        return
    from otel_bridge.cli.show_tree import print_session

    print_session(found)
