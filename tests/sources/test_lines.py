from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otel_bridge.sources.transcript.discover import TranscriptFile
from otel_bridge.sources.transcript.kinds import IGNORED_KINDS
from otel_bridge.sources.transcript.lines import (
    MAX_PROBLEMS_PER_FILE,
    FileRecords,
    LineAccount,
    count_records,
    read_records,
)
from tests.transcripts import (
    SID,
    USAGE,
    Line,
    ask,
    at_ns,
    attachment,
    count,
    dump,
    load,
    meta,
    progress,
    prompt,
    response,
    session_file,
    tool_use,
    write,
)

READERS = [read_records, count_records]
LIMIT = 1 << 20


def read(
    path: Path, reader: Any = read_records, *, limit: int = LIMIT
) -> tuple[list[str | None], LineAccount, FileRecords[Any]]:
    """Read a file; return the types of its records, the account of its lines, and the reader."""
    account = LineAccount()
    file = TranscriptFile(str(path), SID, None, path.stat().st_size)
    records = reader(file, account, limit)
    return [record.type for record in records], account, records


def accounted(account: LineAccount) -> int:
    """Add up where the lines went."""
    return (
        account.used
        + sum(account.ignored.values())
        + sum(account.unknown.values())
        + account.blank
        + account.lost
        + account.unfinished
    )


LINES: dict[str, tuple[bytes, str]] = {
    "prompt": (dump(prompt()), "used"),
    "response": (dump(response()), "used"),
    "windows line end": (dump(prompt()).replace(b"\n", b"\r\n"), "used"),
    "padded": (b"  " + dump(prompt())[:-1] + b"  \n", "used"),
    "byte order mark": (b"\xef\xbb\xbf" + dump(prompt()), "used"),
    "bad count": (dump(response(usage=USAGE | {"input_tokens": "x"})), "used"),
    "NULs before": (b"\0\0\0" + dump(prompt()), "used"),
    "joined": (dump(prompt())[:-1] + dump(response()), "used"),
    "joined with ignored": (dump(meta("mode"))[:-1] + b" " + dump(prompt()), "used"),
    "mode": (dump(meta("mode", mode="normal")), "ignored"),
    "spaced mode": (b'{ "type": "mode" }\n', "ignored"),
    "context": (dump(attachment("skill_listing", at=0)), "ignored"),
    "tick": (dump(progress("bash_progress", at=0)), "ignored"),
    "snapshot": (dump(meta("file-history-snapshot", snapshot={"a": "x" * 9999})), "ignored"),
    "new type": (dump(meta("brand-new-thing", a=1)), "unknown"),
    "no type": (b"{}\n", "unknown"),
    "type of a wrong type": (b'{"type":5}\n', "unknown"),
    "very long type": (dump(meta("x" * 5000)), "unknown"),
    "empty": (b"\n", "blank"),
    "white": (b" \t \r\n", "blank"),
    "no JSON": (b"hello\n", "lost"),
    "list": (b"[1]\n", "lost"),
    "NULs": (b"\0\0\0\n", "lost"),
    "too deep": (b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}\n", "lost"),
    "broken off inside": (dump(prompt())[:90] + b"\n", "lost"),
    "too long": (b'{"aaa":"' + b"x" * LIMIT + b'"}\n', "lost"),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", LINES)
def test_every_line_is_accounted_for(tmp_path: Path, name: str, reader: Any) -> None:
    """A line is used, ignored, unknown, blank or lost, once, and does not touch the lines around it."""
    raw, fate = LINES[name]
    path = write(tmp_path / "a.jsonl", prompt("before"), raw, prompt("after"))
    kinds, account, _ = read(path, reader)
    counted = getattr(account, fate)
    assert (sum(counted.values()) if isinstance(counted, dict) else counted) == 1 + 2 * (fate == "used")
    assert accounted(account) == account.lines == 3
    assert [kinds[0], kinds[-1]] == ["user", "user"]


@pytest.mark.parametrize("reader", READERS)
def test_lost_lines_are_problems_and_others_are_not(tmp_path: Path, reader: Any) -> None:
    """Whatever is lost has file, line, offset and reason; blank, unknown and ignored lines are no problem."""
    for name, (raw, fate) in LINES.items():
        path = write(tmp_path / "a.jsonl", prompt("before"), raw)
        _, account, _ = read(path, reader)
        if fate == "lost":
            (problem,) = account.problems
            place = str(path), 2, len(dump(prompt("before")))
            assert (problem.path, problem.line, problem.offset_bytes) == place, name
            assert problem.reason
        elif fate in ("blank", "unknown") and name != "type of a wrong type":
            assert not account.problems, name


def test_a_damaged_line_that_is_used_is_a_problem_too(tmp_path: Path) -> None:
    """The reader says what it had to leave out of a line it used."""
    path = write(tmp_path / "a.jsonl", prompt(), response(usage=USAGE | {"output_tokens": -1}))
    _, account, _ = read(path)
    (problem,) = account.problems
    assert (problem.line, problem.offset_bytes, problem.reason) == (2, len(dump(prompt())), "bad_type")
    assert "output_tokens" in problem.detail
    assert account.used == 2


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("cut", [1, 2, 10, 100, 300])
def test_a_half_written_last_line_is_left_for_later(tmp_path: Path, cut: int, reader: Any) -> None:
    """The client may still be writing: the line is neither used nor a problem."""
    path = write(tmp_path / "a.jsonl", prompt(), dump(response())[:cut])
    kinds, account, _ = read(path, reader)
    assert kinds == ["user"]
    assert (account.unfinished, account.problem_count, account.lines) == (1, 0, 2)


@pytest.mark.parametrize("reader", READERS)
def test_a_whole_last_line_without_newline_is_used(tmp_path: Path, reader: Any) -> None:
    """215 real files end without a newline, and their last line counts."""
    path = write(tmp_path / "a.jsonl", prompt(), dump(response())[:-1])
    kinds, account, _ = read(path, reader)
    assert (kinds, account.used, account.unfinished) == (["user", "assistant"], 2, 0)


def test_nuls_after_a_crash_are_an_unfinished_line(tmp_path: Path) -> None:
    """A file that was extended but not written ends in NULs: nothing is there yet."""
    path = write(tmp_path / "a.jsonl", prompt(), b"\0" * 4096)
    _, account, _ = read(path)
    assert (account.used, account.unfinished, account.problem_count) == (1, 1, 0)


def test_unknown_types_are_kept_as_counted(tmp_path: Path) -> None:
    """Types that appear in a newer client are counted by name, and a name is cut to a sane length."""
    path = write(tmp_path / "a.jsonl", *[meta("rewind-pointer")] * 3, meta("y" * 999))
    _, account, _ = read(path)
    assert account.unknown == {"rewind-pointer": 3, "y" * 64: 1}


def test_ignored_types_are_counted_by_name(tmp_path: Path) -> None:
    """The same counter whether the type was seen before decoding or after."""
    path = write(tmp_path / "a.jsonl", *(meta(kind) for kind in IGNORED_KINDS), b'{ "type" : "mode" }\n')
    _, account, _ = read(path)
    assert account.ignored == dict.fromkeys(IGNORED_KINDS, 1) | {"mode": 2}


def test_skipped_lines_still_tell_that_time_passed(tmp_path: Path) -> None:
    """With a whole session in mind, a skipped line of the conversation comes as its uuid and time."""
    nested = {"timestamp": "2020-01-01T00:00:00.000Z", "uuid": "0" * 36}
    lines = [progress("bash_progress", at=7, inner=nested), attachment("skill_listing", at=8, inner=nested)]
    file = write(tmp_path / "a.jsonl", *lines)
    ticks = list(read_records(TranscriptFile(str(file), SID, None, 0), LineAccount()))
    assert [(tick.type, tick.uuid) for tick in ticks] == [(None, line["uuid"]) for line in lines]
    assert [tick.timestamp and int(tick.timestamp.timestamp() * 1000) * 10**6 for tick in ticks] == [at_ns(7), at_ns(8)]
    assert read(file, count_records)[0] == []


@pytest.mark.parametrize("time", ["2026-99-99T99:99:99Z", "soon", 5, None])
def test_a_skipped_line_with_a_bad_time_is_still_skipped(tmp_path: Path, time: object) -> None:
    """Nobody decodes it, and nobody trips over it."""
    line = attachment("skill_listing", at=8, rendered="x" * 40_000) | {"timestamp": time}
    path = write(tmp_path / "a.jsonl", line, prompt())
    assert read(path)[0] == [None, "user"]


def test_only_the_first_problems_keep_their_place(tmp_path: Path) -> None:
    """A ruined file does not flood the report: the rest is counted."""
    path = write(tmp_path / "a.jsonl", *[b"garbage\n"] * (MAX_PROBLEMS_PER_FILE + 50))
    _, account, _ = read(path)
    assert (len(account.problems), account.problem_count) == (MAX_PROBLEMS_PER_FILE, MAX_PROBLEMS_PER_FILE + 50)
    assert account.lost == account.lines == MAX_PROBLEMS_PER_FILE + 50


def test_the_account_of_a_session_is_the_sum_of_its_files(tmp_path: Path) -> None:
    """Two files' accounts add up in every counter."""
    for name in ("a", "b"):
        write(tmp_path / f"{name}.jsonl", *(raw for raw, _ in LINES.values()), dump(prompt())[:50])
    total = LineAccount()
    for name in ("a", "b"):
        total.add(read(tmp_path / f"{name}.jsonl")[1])
    single = read(tmp_path / "a.jsonl")[1]
    assert accounted(total) == total.lines == 2 * single.lines
    assert total.problem_count == 2 * single.problem_count
    assert total.ignored == {kind: 2 * number for kind, number in single.ignored.items()}


def test_an_interrupted_read_accounts_for_the_lines_it_saw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that fails in the middle leaves a problem and a true account."""

    def failing(self: object) -> Any:
        self.number = 1  # type: ignore[attr-defined]
        yield dump(prompt())
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("otel_bridge.sources.transcript.reader.LineReader.__iter__", failing)
    session_file(tmp_path, SID, prompt(), response())
    stats = count(tmp_path)
    assert [(problem.line, problem.reason) for problem in stats.problems] == [(0, "unreadable")]
    assert accounted(stats.lines) == stats.lines.lines == 1
    assert [problem.reason for problem in load(tmp_path).problems] == ["unreadable"]


MISSING_IDS: list[tuple[str, Line]] = [
    ("message id", response(None)),
    ("message id", response("")),
    ("tool_use", ask("msg_1", tool_use("") | {"id": None}, at=1)),
    ("tool_result", prompt([{"type": "tool_result", "content": "ok"}])),
    ("uuid", prompt(uuid=None)),
]


@pytest.mark.parametrize(("what", "line"), MISSING_IDS)
def test_missing_ids_are_problems_and_the_line_is_used(tmp_path: Path, what: str, line: Line) -> None:
    """A response, a tool call, a result or a prompt without id is named with its place, by counting and by reading."""
    session_file(tmp_path, SID, prompt("before", at=-1), line)
    offset = len(dump({"sessionId": SID} | prompt("before", at=-1)))
    for problems in (count(tmp_path).problems, load(tmp_path).problems):
        (problem,) = problems
        assert (problem.line, problem.offset_bytes, problem.reason) == (2, offset, "missing_id")
        assert what in problem.detail
    assert count(tmp_path).lines.used == 2


def test_a_place_does_not_depend_on_the_folder(tmp_path: Path) -> None:
    """A line without any id is named by session, agent and number, wherever the file lies."""
    places = []
    for folder in ("here", "there/and/further"):
        path = write(tmp_path / folder / "a.jsonl", prompt(), response(None, uuid=None))
        records = read_records(TranscriptFile(str(path), SID, "a1", 0), LineAccount())
        places.append([records.place for _ in records])
    assert places[0] == places[1] == [f"{SID}/a1#1", f"{SID}/a1#2"]


@pytest.mark.slow
def test_a_line_of_64_mib_is_read_and_a_longer_one_is_not(tmp_path: Path) -> None:
    """Images and whole files sit inside lines; 64 MiB is what a line may have."""
    limit, frame = 64 << 20, len(dump(response(slug="")))
    path = session_file(tmp_path, SID, prompt())
    with path.open("ab") as file:
        for message_id, length in (("msg_1", limit - frame), ("msg_2", limit + 1)):
            file.write(dump(response(message_id, slug="x" * length)))
        file.write(dump(response("msg_3")))
    stats = count(tmp_path)
    assert (stats.totals.calls, stats.lines.lost, stats.lines.lines) == (2, 1, 4)
    assert [(problem.line, problem.reason) for problem in stats.problems] == [(3, "line_too_long")]
