"""Whatever somebody pasted where: no secret is in any byte of the index."""

from __future__ import annotations

import tempfile
import zlib
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_bridge.pipeline.index.secrets import redacted_meta
from otel_bridge.store.database import open_reader
from tests.pipeline.index.world import World, append, sessions_of
from tests.transcripts import (
    SID,
    Line,
    agent_file,
    ask,
    dump,
    meta,
    prompt,
    response,
    session_file,
    tool_result,
    tool_use,
)

SECRETS = {
    "ghp_" + "a1B2" * 9: "a1b2a1b2a1b2",
    "sk-ant-api03-" + "xY9z" * 20: "xy9zxy9z",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N": "eyjzdwiioiixmjm0ntY3odkwin0".lower(),
    "AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENGbPxRfiCYEXAMPLEKEY": "wjalrxutnfemik7mdeng",
    "postgres://app:s3cr3thunter@db/x": "s3cr3thunter",
    "password: hunter2hunter3": "hunter2hunter3",
    "curl -u me:upupandaway77 https://x": "upupandaway77",
}
"""Each with what nothing but the secret has in it, in lower case as search has its words."""

PLACES = ("prompt", "title", "summary", "command", "program", "pull request", "error", "path", "task", "meta", "tail")


def lines_with(place: str, secret: str) -> list[Line]:
    """Return a turn with a secret in one place."""
    bash = tool_use("toolu_1", "Bash", command=f"echo {secret}", description=f"print {secret}")
    tools = {
        "command": bash,
        "program": tool_use("toolu_1", "Bash", command=secret),
        "pull request": tool_use("toolu_1", "Bash", command=f"gh pr create --title '{secret}'"),
        "path": tool_use("toolu_1", "Read", file_path=f"/home/dev/{secret}"),
        "task": tool_use("toolu_1", "Agent", description=f"use {secret}", prompt=f"use {secret}", subagent_type="x"),
    }
    failed = tool_result("toolu_1", f"Exit code 1\n{secret}" if place == "error" else "ok", is_error=place == "error")
    titles = {"title": meta("ai-title", aiTitle=f"Use {secret}"), "summary": meta("summary", summary=f"Use {secret}")}
    return [
        prompt(f"Use {secret}" if place == "prompt" else "Fix it"),
        ask("msg_1", tools.get(place, tool_use()), at=1),
        failed,
        response("msg_2", at=3),
        *([titles[place]] if place in titles else []),
    ]


def fill(world: World, place: str, secret: str) -> None:
    """Index a session, a sub-agent of its with a meta file, and what was added later."""
    path = session_file(world.root, SID, *lines_with(place, secret))
    about = {"agentType": "Explore", "toolUseId": "toolu_1", "description": f"with {secret}" if place == "meta" else ""}
    agent_file(world.root, SID, "a1", prompt(at=2), response("msg_a", at=3), about=about)
    world.update()
    append(path, *lines_with(place, secret))
    if place == "tail":
        append(path, dump(prompt(f"Use {secret}", at=9)).rstrip(b"\n"))
    world.update()


def all_bytes(world: World) -> bytes:
    """Return every byte of the index and of what is packed in it, in lower case."""
    with closing(open_reader(world.path)) as connection:
        packed = [data for (data,) in connection.execute("SELECT data FROM chunks")]
    files = [path.read_bytes() for path in world.path.parent.glob(f"{world.path.name}*")]
    return b"\n".join([*files, *(zlib.decompress(data[1:]) for data in packed)]).lower()


@given(st.sampled_from(PLACES), st.sampled_from(sorted(SECRETS)))
@settings(max_examples=80, deadline=None, derandomize=True)
def test_no_byte_of_the_index_has_a_secret_in_it(place: str, secret: str) -> None:
    """Rows, texts, the words of the search, packed extracts, meta files; all of it is readable with any editor."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        fill(world, place, secret)
        found = all_bytes(world)
        world.connection.close()
    assert SECRETS[secret].encode() not in found
    assert b"msg_2" in found


@pytest.mark.parametrize("place", PLACES)
def test_what_is_no_secret_is_kept(world: World, place: str) -> None:
    """Else not finding one would prove nothing. A prompt in a line without newline is not searched yet."""
    fill(world, place, "gears-and-widgets")
    assert (b"gears-and-widgets" in all_bytes(world)) is (place != "tail")


def test_a_description_is_what_it_was_but_for_the_secret(world: World) -> None:
    """Rows and sessions say the same."""
    fill(world, "meta", "password: hunter2hunter3")
    (session,) = sessions_of(world.library()).values()
    (agent,) = [tool.agent for tool in session.tool_calls() if tool.agent] or session.turns[0].agents
    assert agent.description == world.one("SELECT description FROM agents") == "with password: [REDACTED-secret]"


@pytest.mark.parametrize("raw", [b"{", b"[]", b'{"description": 7}', b"\xff\xfe", b""])
def test_a_damaged_meta_file_stays_damaged(raw: bytes) -> None:
    """What is wrong with it is told whenever the session is."""
    assert redacted_meta(raw) == raw
    assert b"hunter2" not in redacted_meta(raw + b' "password": "hunter2"')
