"""A scripted reply in the shapes of the Messages API: one JSON object, or the events of a stream (pure).

https://docs.anthropic.com/en/api/messages and https://docs.anthropic.com/en/api/messages-streaming
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from tools.realclient.scenario import Reply, Tokens

Event = dict[str, Any]

_FIRST_TOKEN = 1
"""A stream begins before it is known how long it gets: its first event counts one token."""


def message_id(number: int) -> str:
    """Return the id of the answer to the request of a number."""
    return f"msg_scripted{number:06d}"


def request_id(number: int) -> str:
    """Return what the request of a number is called in the header of its answer."""
    return f"req_scripted{number:06d}"


def message(reply: Reply, *, number: int, asked_model: str) -> dict[str, Any]:
    """Return a whole answer; ``number`` makes its ids different from those of all others."""
    return _head(reply, number, asked_model) | {
        "content": list(_blocks(reply, number)),
        "stop_reason": _stop_reason(reply),
        "usage": _usage(reply.tokens, reply.tokens.output),
    }


def stream(reply: Reply, *, number: int, asked_model: str) -> Iterator[Event]:
    """Yield the events of an answer."""
    head = _head(reply, number, asked_model)
    yield {"type": "message_start", "message": head | {"usage": _usage(reply.tokens, _FIRST_TOKEN)}}
    for index, block in enumerate(_blocks(reply, number)):
        start, deltas = _streamed(block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    yield {
        "type": "message_delta",
        "delta": {"stop_reason": _stop_reason(reply), "stop_sequence": None},
        "usage": _usage(reply.tokens, reply.tokens.output),
    }
    yield {"type": "message_stop"}


def overloaded() -> dict[str, Any]:
    """Return what the API says when it has too much to do."""
    return {"type": "error", "error": {"type": "overloaded_error", "message": "scripted: ask again"}}


def _head(reply: Reply, number: int, asked_model: str) -> dict[str, Any]:
    return {
        "id": message_id(number),
        "type": "message",
        "role": "assistant",
        "model": reply.model or asked_model,
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
    }


def _blocks(reply: Reply, number: int) -> Iterator[dict[str, Any]]:
    if reply.thinking:
        yield {"type": "thinking", "thinking": reply.thinking, "signature": "c2NyaXB0ZWQ="}
    yield {"type": "text", "text": reply.text}
    for index, tool in enumerate(reply.tools):
        yield {"type": "tool_use", "id": f"toolu_scripted{number:06d}{index}", "name": tool.name, "input": tool.input}


def _streamed(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return a block as it starts and the pieces that complete it."""
    match block["type"]:
        case "thinking":
            pieces = [{"type": f"{name}_delta", name: block[name]} for name in ("thinking", "signature")]
            return block | {"thinking": "", "signature": ""}, pieces
        case "tool_use":
            return block | {"input": {}}, [{"type": "input_json_delta", "partial_json": _json(block["input"])}]
        case _:
            return block | {"text": ""}, [{"type": "text_delta", "text": block["text"]}]


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _stop_reason(reply: Reply) -> str:
    return "tool_use" if reply.tools else "end_turn"


def _usage(tokens: Tokens, output: int) -> dict[str, Any]:
    return {
        "input_tokens": tokens.input,
        "output_tokens": output,
        "cache_read_input_tokens": tokens.cache_read,
        "cache_creation_input_tokens": tokens.cache_write_5m + tokens.cache_write_1h,
        "cache_creation": {
            "ephemeral_5m_input_tokens": tokens.cache_write_5m,
            "ephemeral_1h_input_tokens": tokens.cache_write_1h,
        },
        "server_tool_use": {"web_search_requests": tokens.web_searches, "web_fetch_requests": 0},
        "service_tier": "standard",
    }
