"""The scripted Messages API as a client hears it."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.realclient.messages import message, stream
from tools.realclient.scenario import Exchange, Reply, Scenario, Tokens, Tool
from tools.realclient.stub_api import StubApi

REPLY = Reply(
    "I look.",
    thinking="Where?",
    tools=(Tool("Read", {"file_path": "/a"}), Tool("Bash", {"command": "ls"})),
    tokens=Tokens(output=77, cache_write_5m=3, cache_write_1h=4),
    model="claude-haiku-4-5",
    refusals=2,
    delay_s=0,
)
SCENARIO = Scenario(
    files={}, programs={}, runs=(), exchanges=(Exchange("Look", (REPLY,)),), otherwise=Reply("?", delay_s=0)
)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[StubApi]:
    with StubApi(SCENARIO, requests=tmp_path / "requests.jsonl") as running:
        yield running


def ask(api: StubApi, path: str = "/v1/messages", **request: Any) -> tuple[int, str]:
    """Return status and text of the answer to a request."""
    body = {"model": "claude-opus-4-6", "messages": [{"role": "user", "content": "Look"}], **request}
    try:
        with urllib.request.urlopen(f"{api.url}{path}", json.dumps(body).encode(), timeout=10) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def added_up(events: list[dict[str, Any]]) -> dict[str, Any]:
    """Put a stream's pieces together as clients do."""
    whole: dict[str, Any] = {}
    texts: dict[int, str] = {}
    for event in events:
        match event["type"]:
            case "message_start":
                whole = event["message"]
            case "content_block_start":
                whole["content"].append(event["content_block"])
            case "content_block_delta":
                delta, block = dict(event["delta"]), whole["content"][event["index"]]
                if delta.pop("type") == "input_json_delta":
                    texts[event["index"]] = texts.get(event["index"], "") + delta["partial_json"]
                else:
                    block |= {name: block[name] + piece for name, piece in delta.items()}
            case "message_delta":
                whole |= event["delta"] | {"usage": event["usage"]}
    for index, text in texts.items():
        whole["content"][index]["input"] = json.loads(text)
    return whole


def test_a_stream_adds_up_to_the_whole_answer() -> None:
    """Text, thinking, tool inputs, stop reason and final token counts; only the last event knows the output."""
    events = list(stream(REPLY, number=5, asked_model="claude-opus-4-6"))
    assert events[0]["message"]["usage"]["output_tokens"] == 1
    whole = message(REPLY, number=5, asked_model="claude-opus-4-6")
    assert added_up(events) == whole
    assert [block["type"] for block in whole["content"]] == ["thinking", "text", "tool_use", "tool_use"]
    assert (whole["model"], whole["stop_reason"], whole["usage"]["output_tokens"]) == (
        "claude-haiku-4-5",
        "tool_use",
        77,
    )
    assert whole["usage"]["cache_creation_input_tokens"] == 7


def test_requests_are_refused_as_often_as_scripted_and_then_answered(api: StubApi) -> None:
    """Every request is written down, and ids are never given twice."""
    assert [ask(api)[0] for _ in range(4)] == [529, 529, 200, 200]
    ids = {json.loads(ask(api)[1])["id"] for _ in range(3)}
    assert len(ids) == 3


def test_what_is_billed_is_written_down(api: StubApi, tmp_path: Path) -> None:
    """With the model that answered; a request that is turned away costs nothing."""
    for _ in range(REPLY.refusals + 1):
        ask(api)
    lines = (tmp_path / "requests.jsonl").read_text(encoding="utf-8").splitlines()
    *refused, billed = [json.loads(line)["billed"] for line in lines]
    assert refused == [None, None]
    assert (billed["model"], billed["output"], billed["cache_write_1h"]) == ("claude-haiku-4-5", 77, 4)


def test_who_asks_for_a_stream_gets_one(api: StubApi) -> None:
    for _ in range(REPLY.refusals):
        ask(api)
    status, text = ask(api, stream=True)
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    assert status == 200
    assert added_up(events)["content"][1] == {"type": "text", "text": "I look."}


def test_what_is_not_scripted_is_not_found(api: StubApi) -> None:
    assert ask(api, "/v1/elsewhere")[0] == 404
    assert json.loads(ask(api, "/v1/messages/count_tokens?beta=true")[1])["input_tokens"] > 0
    assert json.loads(ask(api, messages=[])[1])["content"] == [{"type": "text", "text": "?"}]
