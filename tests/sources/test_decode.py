from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from otel_bridge.sources.transcript.decode import DECODE_ERRORS, decode_count, record_decoder, repair_line, salvage
from otel_bridge.sources.transcript.records import Record, ToolUseResult, UsageRecord
from tests.transcripts import USAGE, Line, ask, dump, iso, prompt, response, text, tool_result, tool_use

decode_record = record_decoder()


def repaired(line: Line | bytes) -> tuple[list[Record], list[str]]:
    """Decode a line that the fast path must refuse; return records and reasons."""
    raw = line if isinstance(line, bytes) else dump(line)
    with pytest.raises(DECODE_ERRORS):
        decode_record(raw)
    saved = repair_line(raw)
    return list(saved.records), [reason for reason, _ in saved.flaws]


def usage_of(record: Record) -> UsageRecord:
    """Return the usage of a response's line."""
    assert record.message is not None
    assert record.message.usage is not None
    return record.message.usage


def test_both_decoders_read_a_whole_line() -> None:
    """Counting and assembling see the same ids, times, usage and tool calls."""
    raw = dump(ask("msg_1", text("On it."), tool_use("toolu_1", command="ls"), at=1))
    for record in (decode_record(raw), decode_count(raw)):
        assert record.message is not None
        assert record.message.usage is not None
        assert isinstance(record.message.content, list)
        assert record.message.usage.input_tokens == USAGE["input_tokens"]
        assert [block.id for block in record.message.content] == [None, "toolu_1"]
        assert record.timestamp is not None


BAD_COUNTS: list[Any] = ["12", 12.0, 12.5, -5, True, [], {}, 10**15, 10**19, 10**30]


@pytest.mark.parametrize("value", BAD_COUNTS)
@pytest.mark.parametrize("field", ["input_tokens", "output_tokens", "cache_read_input_tokens"])
def test_a_token_count_that_is_none_costs_only_itself(field: str, value: Any) -> None:
    """Texts, fractions, negative and absurd numbers are dropped with a reason; the counts beside them stay."""
    (record,), reasons = repaired(response(usage=USAGE | {field: value}))
    kept = {name: getattr(usage_of(record), name) or 0 for name in USAGE}
    assert kept == USAGE | {field: 0}
    assert len(reasons) == 1
    assert reasons[0] in ("bad_type", "bad_value")


def test_a_null_count_is_no_flaw() -> None:
    """Proxies leave counts null."""
    record = decode_record(dump(response(usage=dict.fromkeys(USAGE))))
    assert usage_of(record).input_tokens is None


@pytest.mark.parametrize("number", [b"NaN", b"Infinity", b"-Infinity", b"1e999", b"9" * 5000])
def test_numbers_that_json_or_python_cannot_hold_are_dropped(number: bytes) -> None:
    """NaN, infinities, endless digits: the field is missing, the line is used, and the reason says so."""
    (record,), reasons = repaired(dump(response()).replace(b'"input_tokens":10,', b'"input_tokens":' + number + b","))
    assert (usage_of(record).input_tokens or 0, usage_of(record).output_tokens) == (0, 50)
    assert reasons == ["bad_value"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timestamp", "yesterday"),
        ("timestamp", 1763000000),
        ("timestamp", "2025-13-45T99:00:00Z"),
        ("sessionId", 5),
        ("uuid", {"a": 1}),
        ("isSidechain", "yes"),
        ("cwd", ["/"]),
        ("requestId", 1.5),
        ("requestedModel", []),
    ],
)
def test_a_field_of_a_wrong_type_costs_only_itself(field: str, value: object) -> None:
    """Ids, times and flags of a wrong type are dropped; the response is still counted."""
    (record,), reasons = repaired(response("msg_9", **{field: value}))
    assert getattr(record, field) in (None, False)
    assert usage_of(record).output_tokens == 50
    assert reasons == ["bad_type"]


def test_bad_blocks_do_not_take_the_good_ones_with_them() -> None:
    """Of a content list only the blocks that are none are dropped, by position."""
    blocks: list[Any] = ["loose text", tool_use("toolu_1"), 5, None, tool_use("toolu_2"), [tool_use("x")]]
    (record,), reasons = repaired(response("msg_1", *blocks))
    assert record.message is not None
    assert isinstance(record.message.content, list)
    assert [block.id for block in record.message.content] == ["toolu_1", "toolu_2"]
    assert set(reasons) == {"bad_type"}


def test_a_bad_field_of_a_block_costs_only_itself() -> None:
    """A tool_use whose name is a number keeps its id, and so do its neighbours."""
    (record,), _ = repaired(ask("msg_1", tool_use("toolu_1") | {"name": 5}, tool_use("toolu_2"), at=1))
    assert record.message is not None
    assert isinstance(record.message.content, list)
    assert [(block.id, block.name) for block in record.message.content] == [("toolu_1", None), ("toolu_2", "Bash")]


@pytest.mark.parametrize("content", [5, True, {"type": "text"}])
def test_content_of_a_wrong_type_leaves_usage(content: object) -> None:
    """Whatever the content is, the usage beside it is counted."""
    line = response()
    line["message"]["content"] = content
    (record,), reasons = repaired(line)
    assert usage_of(record).output_tokens == 50
    assert reasons == ["bad_type"]


def test_a_message_that_is_none_leaves_the_record() -> None:
    """A list instead of a message: the line is a line of its time, without usage."""
    (record,), reasons = repaired(response() | {"message": [1, 2]})
    assert (record.message, record.type) == (None, "assistant")
    assert reasons == ["bad_type"]


def test_very_many_bad_blocks_give_up_the_content_and_not_the_usage() -> None:
    """A line is not decoded once per bad block for ever: in the end what surrounds them goes."""
    (record,), _ = repaired(response("msg_1", *[5] * 500))  # type: ignore[arg-type]
    assert usage_of(record).output_tokens == 50


def test_bad_iterations_are_dropped_one_by_one() -> None:
    """One entry of a wrong type does not hide the other entries."""
    entries = [{"type": "message", "input_tokens": 1}, 5, {"type": "compaction", "input_tokens": "x"}]
    (record,), _ = repaired(response(usage=USAGE | {"iterations": entries}))
    kept = usage_of(record).iterations
    assert kept is not None
    assert [(entry.type, entry.input_tokens) for entry in kept] == [("message", 1), ("compaction", 0)]


def test_leading_nul_bytes_are_passed_over() -> None:
    """A crash can leave a run of NULs before a good line."""
    (record,), reasons = repaired(b"\0" * 4096 + dump(prompt("hello")))
    assert record.type == "user"
    assert reasons == ["nul_bytes"]


def test_a_byte_order_mark_is_no_flaw() -> None:
    """An editor's mark at the start of a file does not cost its first line."""
    (record,), reasons = repaired(b"\xef\xbb\xbf" + dump(prompt()))
    assert (record.type, reasons) == ("user", [])


def test_broken_utf8_is_replaced_where_it_is_read() -> None:
    """A byte that is no UTF-8 in a field that is used becomes a replacement character."""
    (record,), reasons = repaired(dump(prompt(cwd="/home/X")).replace(b"/home/X", b"/home/\xff"))
    assert record.cwd == "/home/\N{REPLACEMENT CHARACTER}"
    assert reasons == ["bad_utf8"]


def test_broken_utf8_in_what_is_skipped_does_not_matter() -> None:
    """A byte that is no UTF-8 in a field nobody reads costs nothing."""
    assert decode_record(dump(prompt(slug="X")).replace(b'"X"', b'"\xff"')).type == "user"


def test_lone_surrogates_are_replaced() -> None:
    """JSON can spell half a character; UTF-8 cannot carry it."""
    (record,), reasons = repaired(dump(prompt(cwd="X")).replace(b'"X"', rb'"\ud83d!"'))
    assert record.cwd == "\N{REPLACEMENT CHARACTER}!"
    assert reasons == ["bad_text"]


def test_records_joined_by_a_lost_newline_are_all_read() -> None:
    """Two writers at once can leave two records on one line."""
    records, reasons = repaired(dump(prompt())[:-1] + dump(response("msg_1"))[:-1] + dump(response("msg_2")))
    assert [record.type for record in records] == ["user", "assistant", "assistant"]
    assert reasons == ["joined_records"]


def test_a_good_record_before_garbage_is_read() -> None:
    """What follows the record on its line is a flaw of its own."""
    (record,), reasons = repaired(dump(prompt())[:-1] + b'{"type":"assi')
    assert (record.type, reasons) == ("user", ["bad_json"])


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"not json at all\n", "bad_json"),
        (b"[1,2,3]\n", "not_an_object"),
        (b'"text"\n', "not_an_object"),
        (b"17\n", "not_an_object"),
        (b"null\n", "not_an_object"),
        (b'{"type":"user","a":' + b"[" * 100_000 + b"]" * 100_000 + b"}\n", "too_deep"),
        (b'{"toolUseResult":' + b'{"a":' * 100_000 + b"1" + b"}" * 100_001 + b"\n", "too_deep"),
    ],
)
def test_what_is_no_record_gives_a_reason(raw: bytes, reason: str) -> None:
    """Other JSON, no JSON and absurd nesting end in one bounded word, never in an exception."""
    assert repaired(raw) == ([], [reason])


def test_a_reason_quotes_little_of_the_line() -> None:
    """Problems are printed and kept: they must not carry the transcript away."""
    for raw in (b"secret " * 1000, dump(response(usage=USAGE | {"input_tokens": "secret" * 100}))):
        assert all(len(detail) <= 160 for _, detail in repair_line(raw).flaws)


def test_every_repair_says_why() -> None:
    """A line the fast path refuses is either given back with a reason or lost with one (a byte order mark aside)."""
    for raw in (b'{"type":"user","uuid":"\\ud800"}', b'{"type":"user","uuid":"\xff"}', b'{"type":"user","isMeta":NaN}'):
        assert repaired(raw)[1]


def test_an_object_inside_a_record_is_salvaged_the_same_way() -> None:
    """A tool's result with one field of another type keeps its others."""
    decode = msgspec.json.Decoder(ToolUseResult).decode
    saved = salvage(json.dumps({"durationMs": "long", "agentId": "a1", "status": 200}).encode(), decode)
    assert saved is not None
    assert (saved.durationMs, saved.agentId, saved.status) == (None, "a1", None)
    assert salvage(b"{broken", decode) is None


def test_times_without_zone_are_read() -> None:
    """A proxy's time without a zone is a time."""
    assert decode_record(dump(prompt(timestamp=iso(0)[:-1]))).timestamp is not None


def test_a_tool_result_of_any_type_is_kept_raw() -> None:
    """ToolUseResult may be an object, a text or a list."""
    for result in ({"a": 1}, "Error: x", [{"type": "text"}], 5, None):
        assert decode_record(dump(tool_result(result=result))).type == "user"
