"""``otel-bridge show``."""

from __future__ import annotations

from pathlib import Path

import click

from otel_bridge.cli.indexed import data_dir_option, no_sync_option
from otel_bridge.cli.json_output import print_json
from otel_bridge.cli.library import open_library
from otel_bridge.cli.options import json_option, paths_argument, samples_option
from otel_bridge.errors import StoreError
from otel_bridge.pipeline.session_json import session_document
from otel_bridge.pipeline.sessions import find_session
from otel_bridge.sources.transcript.assemble.packing import ForeignFormatError


@click.command("show", epilog="Example: otel-bridge show 2efd1f5f")
@click.argument("session")
@paths_argument
@json_option
@samples_option
@data_dir_option
@no_sync_option
def command(
    *, session: str, paths: tuple[Path, ...], as_json: bool, or_samples: bool, data_dir: Path | None, no_sync: bool
) -> None:
    """Show one session as a tree: turns, model calls, tools, sub-agents, cost.

    Below the tree it says where the numbers come from: the transcript, the client's own telemetry (its events or its
    spans), or list prices. Brackets mark what is otherwise; --json has it for each number of each call and tool call.

    SESSION is the id or the start of it. Without a PATH the index is asked, which also has sessions whose transcripts
    are gone. Of paths, all transcripts are looked at: another session may own a part of a forked one.
    """
    with open_library(paths, data_dir, or_samples=or_samples, no_sync=no_sync) as library:
        session_id = find_session(library.session_ids, session)
        try:
            found = library[session_id]
        except ForeignFormatError as error:
            raise StoreError(
                f"what the index has of session {session_id} or of its relatives cannot be read ({error});"
                " run `otel-bridge db repair`"
            ) from error
    if as_json:
        print_json(session_document(found))
        return
    from otel_bridge.cli.show_tree import print_session

    print_session(found)
