from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otel_bridge.sources.transcript.assemble.tools import executable_name, tool_name
from otel_bridge.vcs import Commit
from tests.sources.assemble.shapes import called
from tests.transcripts import (
    Block,
    ask,
    at_ns,
    count,
    dump,
    interrupt,
    load_lines,
    only_tool,
    prompt,
    tool_result,
    tool_use,
)

DENIED = "The user doesn't want to proceed with this tool use. The tool use was rejected"


def test_a_tool_call_lasts_from_its_block_to_its_result(tmp_path: Path) -> None:
    """Start is the line of the block, end the line of the result; without a result it is not finished."""
    finished = called(tmp_path, tool_use(), tool_result(at=4.5))
    assert (finished.started_ns, finished.ended_ns, finished.is_finished) == (at_ns(1), at_ns(4.5), True)
    assert finished.error_type is None
    unfinished = called(tmp_path, tool_use())
    assert (unfinished.ended_ns, unfinished.is_finished) == (None, False)
    assert count(tmp_path).totals.tool_calls == 0


@pytest.mark.parametrize(
    ("content", "error_type", "exit_code"),
    [
        ("Exit code 1\nFAILED tests", "exit_code", 1),
        ("Exit code 127\n/bin/bash: frobnicate: command not found", "exit_code", 127),
        ("Exit code 99999999999999999999", "_OTHER", None),
        ("<tool_use_error>InputValidationError: [\n", "invalid_input", None),
        ("InputValidationError: Read failed", "invalid_input", None),
        ("<tool_use_error>Sibling tool call errored</tool_use_error>", "sibling_error", None),
        ("<tool_use_error>File does not exist.</tool_use_error>", "not_found", None),
        ("ENOENT: no such file or directory", "not_found", None),
        ("<tool_use_error>Path does not exist: /x", "not_found", None),
        ("<tool_use_error>File has not been read yet.", "not_read", None),
        ("<tool_use_error>String to replace not found in file.", "no_match", None),
        ("File has been unexpectedly modified.", "stale_file", None),
        ("<tool_use_error>File has been modified since read", "stale_file", None),
        ("Command timed out after 2m 0.0s", "timeout", None),
        ("[Request interrupted by user for tool use]", "interrupted", None),
        ("<tool_use_error>Unknown skill: commit</tool_use_error>", "tool_use_error", None),
        ("something new", "_OTHER", None),
        ("", "_OTHER", None),
        ([{"type": "text", "text": "Exit code 3"}], "exit_code", 3),
        (None, "_OTHER", None),
        (5, "_OTHER", None),
        ({"type": "text"}, "_OTHER", None),
        (["Exit code 4"], "_OTHER", None),
    ],
)
def test_failures_have_a_class(tmp_path: Path, content: object, error_type: str, exit_code: int | None) -> None:
    """What a failed tool says becomes one bounded word, and the exit code where it names one."""
    call = called(tmp_path, tool_use(), tool_result(content=content, is_error=True))
    assert (call.error_type, call.exit_code) == (error_type, exit_code)
    assert (call.denial, call.decision) == (None, None)


def test_a_failed_mcp_tool_is_a_tool_error(tmp_path: Path) -> None:
    """What a server answers is its own affair."""
    call = called(tmp_path, tool_use(name="mcp__linear__get"), tool_result(content="Entity not found", is_error=True))
    assert call.error_type == "tool_error"


def test_output_that_talks_of_errors_is_no_error(tmp_path: Path) -> None:
    """Only is_error makes a failure; a search that finds the words of a denial is no denial."""
    for content in ("Exit code 1", DENIED):
        for keep_content in (False, True):
            lines = [prompt(), ask("msg_1", tool_use(), at=1), tool_result(content=content)]
            call = only_tool(load_lines(tmp_path, *lines, keep_content=keep_content))
            assert (call.error_type, call.denial, call.exit_code) == (None, None, None)


@pytest.mark.parametrize("kind", ["user-rejected", "automode-unavailable", "interrupted"])
def test_a_denial_says_why(tmp_path: Path, kind: str) -> None:
    """2.1.205+ name the kind of refusal."""
    call = called(tmp_path, tool_use(), tool_result(content="No", is_error=True, toolDenialKind=kind))
    assert (call.error_type, call.denial, call.decision) == ("denied", kind, "reject")


@pytest.mark.parametrize(
    ("content", "result"),
    [
        (DENIED, "User rejected tool use"),
        (DENIED, "Error: " + DENIED),
        ("The user doesn't want to take this action right now.", None),
        ("No", "User rejected tool use"),
        ("No", "Error: User rejected tool use"),
    ],
)
def test_older_denials_are_known_by_their_words(tmp_path: Path, content: str, result: str | None) -> None:
    """Before 2.1.205 only the texts tell."""
    call = called(tmp_path, tool_use(), tool_result(content=content, is_error=True, result=result))
    assert (call.error_type, call.denial, call.decision) == ("denied", "user-rejected", "reject")


def test_a_tool_that_prints_a_denial_is_not_denied(tmp_path: Path) -> None:
    """The words inside a result object are the tool's."""
    result = {"stdout": "User rejected tool use", "stderr": ""}
    call = called(tmp_path, tool_use(), tool_result(content="Exit code 1", is_error=True, result=result))
    assert (call.error_type, call.denial) == ("exit_code", None)


def test_esc_while_a_tool_runs_is_no_denial(tmp_path: Path) -> None:
    """It is written as a rejection; the interrupt line after it, which names the response, tells the difference."""
    uses = [tool_use("toolu_1"), tool_use("toolu_2")]
    results = [
        tool_result(n, DENIED, at=2, is_error=True, toolDenialKind="user-rejected") for n in ("toolu_1", "toolu_2")
    ]
    lines = [prompt(), ask("msg_1", *uses, at=1), *results]
    stopped = load_lines(tmp_path, *lines, interrupt(at=3, message_id="msg_1"))
    assert [(tool.error_type, tool.denial, tool.decision) for tool in stopped.tool_calls()] == [
        ("interrupted", None, None)
    ] * 2
    rejected = load_lines(tmp_path, *lines, interrupt(at=3))
    assert [(tool.error_type, tool.denial) for tool in rejected.tool_calls()] == [("denied", "user-rejected")] * 2


def test_esc_later_does_not_undo_an_earlier_denial(tmp_path: Path) -> None:
    """The interrupt line speaks of the tools of the newest response only."""
    lines = [
        prompt(),
        ask("msg_1", tool_use("toolu_1"), at=1),
        tool_result("toolu_1", DENIED, at=2, is_error=True),
        ask("msg_2", tool_use("toolu_2"), at=3),
        tool_result("toolu_2", DENIED, at=4, is_error=True),
        interrupt(at=5, message_id="msg_2"),
    ]
    assert [tool.denial for tool in load_lines(tmp_path, *lines).tool_calls()] == ["user-rejected", None]


def test_recorded_decisions_are_kept(tmp_path: Path) -> None:
    """2.1.3xx records who let a call run; an interrupted call was still accepted."""
    said = {"decision": "accept", "source": "config", "reasonType": "rule"}
    call = called(tmp_path, tool_use(), tool_result(permissionDecision=said))
    assert (call.decision, call.decision_source, call.error_type) == ("accept", "config", None)
    stopped = tool_result(is_error=True, toolDenialKind="user-rejected", permissionDecision=said)
    call = called(tmp_path, tool_use(), stopped, interrupt(at=3, message_id="msg_1"))
    assert (call.decision, call.error_type) == ("accept", "interrupted")


@pytest.mark.parametrize(
    ("result", "started_s"),
    [
        ({"durationMs": 250}, 9.75),
        ({"totalDurationMs": 1500}, 8.5),
        ({"durationSeconds": 2}, 8),
        ({"durationMs": 60_000}, 1),
        ({"durationMs": -5}, 1),
        ({"durationMs": 1e308}, 1),
        ({"durationMs": "fast", "totalDurationMs": 1000}, 9),
        ({}, 1),
        ("Error: x", 1),
        ([1], 1),
    ],
)
def test_a_reported_duration_leaves_out_the_waiting(tmp_path: Path, result: object, started_s: float) -> None:
    """Where the tool reports how long it ran, it began so long before its result, never before it was asked for."""
    call = called(tmp_path, tool_use(), tool_result(at=10, result=result))
    assert (call.started_ns, call.ended_ns) == (at_ns(started_s), at_ns(10))


@pytest.mark.parametrize(
    ("name", "server", "tool"),
    [
        ("mcp__github__create_issue", "github", "create_issue"),
        ("mcp__plugin_linear_linear__list_issues", "plugin_linear_linear", "list_issues"),
        ("mcp__claude_ai_Gmail__search_threads", "claude_ai_Gmail", "search_threads"),
        ("mcp__db__query__v2", "db", "query__v2"),
        ("mcp__lonely", "lonely", None),
        ("mcp__", None, None),
        ("Bash", None, None),
    ],
)
def test_mcp_names_are_taken_apart(tmp_path: Path, name: str, server: str | None, tool: str | None) -> None:
    """Server and tool are what stands between the first two double underscores and after them."""
    call = called(tmp_path, tool_use(name=name), tool_result())
    assert (call.name, call.mcp_server, call.mcp_tool) == (name, server, tool)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Bash", "Bash"),
        (' Task" >', "Task"),
        ('Read</parameter>\n<parameter name="file">', "Read"),
        ("x" * 500, "x" * 128),
        ("Ünïcode", "Ünïcode"),
        ("", "unknown"),
        ("<>", "unknown"),
        ("\n\t", "unknown"),
    ],
)
def test_names_that_models_garble_become_usable(written: str, name: str) -> None:
    """A name is one bounded word: what models write around it is cut."""
    assert tool_name(written) == name


@pytest.mark.parametrize(
    ("command", "program"),
    [
        ("git status", "git"),
        ("/usr/bin/env python3 -V", "env"),
        ("FOO=1 BAR=x make test", "make"),
        ("  ls  ", "ls"),
        ("g++ -O2 a.cc", "g++"),
        ("FOO=1", None),
        ("", None),
        ("   ", None),
        ("cd /tmp && ls", None),
        ("cat a | wc", None),
        ("echo $(whoami)", None),
        ("echo `id`", None),
        ("one\ntwo", None),
        ("echo $SECRET", None),
        ("'quoted program' x", None),
        ("x" * 100, None),
        ("\ud800", None),
    ],
)
def test_the_executable_is_named_only_where_it_is_sure(command: str, program: str | None) -> None:
    """A single program without path and arguments; anything with shell syntax names none."""
    assert executable_name(command) == program


def test_what_was_asked_is_kept_as_far_as_it_is_a_fact(tmp_path: Path) -> None:
    """Program of a shell, file of an edit, skill; other arguments stay behind."""
    assert called(tmp_path, tool_use(command="pytest -q"), tool_result()).executable == "pytest"
    assert called(tmp_path, tool_use(name="PowerShell", command="Get-Item x"), tool_result()).executable == "Get-Item"
    assert called(tmp_path, tool_use(name="Grep", command="pytest -q"), tool_result()).executable is None
    assert called(tmp_path, tool_use(name="Edit", file_path="/a/b.py"), tool_result()).file_path == "/a/b.py"
    assert called(tmp_path, tool_use(name="NotebookEdit", notebook_path="/n"), tool_result()).file_path == "/n"
    assert called(tmp_path, tool_use(name="Skill", skill="pdf", args="x"), tool_result()).skill == "pdf"
    assert called(tmp_path, tool_use(name="Read", skill="pdf"), tool_result()).skill is None


@pytest.mark.parametrize(
    "arguments", ["text", ["list"], 5, None, {"command": 5}, {"command": ["ls"]}, {"command": None}, {"a": {"b": []}}]
)
def test_odd_arguments_are_no_error(tmp_path: Path, arguments: object) -> None:
    """Models send anything as input; the call is counted all the same."""
    call = called(tmp_path, tool_use() | {"input": arguments}, tool_result())
    assert (call.executable, call.is_finished) == (None, True)


def test_one_odd_argument_does_not_hide_the_others(tmp_path: Path) -> None:
    """A description that is a list leaves the command."""
    assert called(tmp_path, tool_use(command="ls -l", description=[1]), tool_result()).executable == "ls"


def test_huge_arguments_and_results_are_only_measured(tmp_path: Path) -> None:
    """Megabytes of input and output leave a count of bytes behind."""
    big = "x" * 2_000_000
    call = called(tmp_path, tool_use(command=big), tool_result(content=big))
    assert (call.executable, call.result_bytes, call.content) == (None, 2_000_002, None)


def test_bytes_that_are_no_text_inside_arguments_and_results(tmp_path: Path) -> None:
    """Broken UTF-8 and half characters in what is decoded late do not end the reading."""
    use = dump(ask("msg_1", tool_use(command="X"), at=1)).replace(b'"X"', b'"\xff\\ud800"')
    result = dump(tool_result(content="Y", result={"status": "Z"}, is_error=True))
    result = result.replace(b'"Y"', b'"\xff"').replace(b'"Z"', rb'"\ud800"')
    for keep_content in (False, True):
        call = only_tool(load_lines(tmp_path, prompt(), use, result, keep_content=keep_content))
        assert call.error_type == "_OTHER"


@pytest.mark.parametrize(
    ("result", "added", "removed"),
    [
        ({"structuredPatch": [{"lines": ["+a", "-b", " c", "+d"]}, {"lines": ["-e"]}]}, 2, 2),
        ({"type": "create", "content": "one\ntwo\n", "structuredPatch": []}, 3, 0),
        ({"type": "create", "content": ""}, 1, 0),
        ({"type": "update", "content": "x", "structuredPatch": []}, 0, 0),
        ({"structuredPatch": [{"lines": None}, {}]}, 0, 0),
        ({"structuredPatch": "none"}, 0, 0),
        ({"structuredPatch": [{"lines": ["+a", 5, "+b"]}]}, 2, 0),
    ],
)
def test_lines_of_edits_are_counted_as_the_client_does(
    tmp_path: Path, result: object, added: int, removed: int
) -> None:
    r"""By the patch, or for a new file by its line ends plus one (2.1.329 counts "fixed add\\n" as two)."""
    call = called(tmp_path, tool_use(name="Edit"), tool_result(result=result))
    assert (call.lines_added, call.lines_removed) == (added, removed)


def test_searches_of_the_tool_are_kept_on_the_tool(tmp_path: Path) -> None:
    """WebSearch reports how often it searched; the bill is on the model call."""
    call = called(tmp_path, tool_use(name="WebSearch"), tool_result(result={"searchCount": 3, "durationSeconds": 0.5}))
    assert (call.web_searches, call.started_ns) == (3, at_ns(1.5))


def test_an_interrupted_command_is_an_error(tmp_path: Path) -> None:
    """Bash says it was interrupted without calling it an error."""
    assert called(tmp_path, tool_use(), tool_result(result={"interrupted": True})).error_type == "interrupted"


@pytest.mark.parametrize(
    ("output", "commits"),
    [
        ("[main 1a2b3c4] Fix\n 1 file changed", [("1a2b3c4", "main")]),
        ("[main (root-commit) 1a2b3c4] First", [("1a2b3c4", "main")]),
        ("[feat/x-1 1a2b3c4d5e] A\n[feat/x-1 2b3c4d5] B", [("1a2b3c4d5e", "feat/x-1"), ("2b3c4d5", "feat/x-1")]),
        ("[detached HEAD 1a2b3c4] Fix", [("1a2b3c4", None)]),
        ("see [main 1a2b3c4] in the log", []),
        ("[INFO] ok\n[main] x", []),
    ],
)
def test_commits_are_read_from_what_git_says(
    tmp_path: Path, output: str, commits: list[tuple[str, str | None]]
) -> None:
    """Before 2.1.181 only git's own words tell; the pattern agreed with gitOperation 131 of 131 times."""
    call = called(tmp_path, tool_use(command="git commit"), tool_result(content=output))
    assert call.commits == tuple(Commit(sha, "committed", branch, at_ns(2)) for sha, branch in commits)


def test_the_client_names_the_commit(tmp_path: Path) -> None:
    """GitOperation wins over the text, which may quote others."""
    operation = {"gitOperation": {"commit": {"sha": "abcdef1", "kind": "amended", "branch": "main"}}}
    output = "[main 1234567] quoted"
    call = called(tmp_path, tool_use(command="x"), tool_result(content=output, result=operation))
    assert call.commits == (Commit("abcdef1", "amended", "main", at_ns(2)),)


@pytest.mark.parametrize(
    ("use", "result"),
    [
        (tool_use(name="Read", command="git commit"), {}),
        (tool_use(command="git commit"), {"is_error": True}),
    ],
)
def test_only_a_shell_that_succeeded_commits(tmp_path: Path, use: Block, result: dict[str, Any]) -> None:
    """A file that quotes git and a commit that a hook refused are none."""
    assert called(tmp_path, use, tool_result(content="[main 1a2b3c4] Fix", **result)).commits == ()
