import pytest
from inline_snapshot import snapshot

from otel_bridge.convert import ConvertOptions, turn_spans
from otel_bridge.model import ToolCall
from otel_bridge.telemetry import Span
from otel_bridge.vcs import Commit, PullRequest, PullRequestLink
from tests.builders import at_ns, model_call, session, sub_agent, tool_call, turn

WIDGETS = PullRequest("acme/widgets", 7, "https://github.com/acme/widgets/pull/7")
GEARS = PullRequest("acme/gears", 8, "https://github.com/acme/gears/pull/8")


def tool_span(tool: ToolCall, options: ConvertOptions = ConvertOptions()) -> Span:  # noqa: B008
    whole = session(turn("prompt-1", model_call("req_1", tool)))
    return turn_spans(whole, whole.turns[0], options)[2]


def test_a_plain_tool_call_has_these_attributes() -> None:
    """A built-in tool that succeeded carries identity and nothing it has nothing to say about."""
    assert tool_span(tool_call("toolu_1", "Grep")).attributes == snapshot(
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "Grep",
            "gen_ai.tool.type": "function",
            "gen_ai.tool.call.id": "toolu_1",
            "gen_ai.agent.name": "claude-code",
            "gen_ai.conversation.id": "5a1b2c3d-0000-4000-8000-000000000001",
            "session.id": "5a1b2c3d-0000-4000-8000-000000000001",
            "coding_agent.turn.key": "prompt-1",
            "coding_agent.turn.index": 0,
            "coding_agent.entrypoint": "cli",
            "vcs.ref.head.name": "feat/otlp",
        }
    )


@pytest.mark.parametrize(
    ("tool", "name"),
    [
        (tool_call(executable="git"), "execute_tool Bash git"),
        (tool_call(), "execute_tool Bash"),
        (tool_call(name="Skill", skill="release"), "execute_tool Skill release"),
        (
            tool_call(name="mcp__github__get_issue", mcp_server="github", mcp_tool="get_issue"),
            "execute_tool mcp__github__get_issue",
        ),
    ],
)
def test_refinements_name_the_same_span(tool: ToolCall, name: str) -> None:
    """Commands are named by their program, skills by the skill, MCP tools as the model called them."""
    assert tool_span(tool).name == name


def test_commands_tell_program_and_exit_code() -> None:
    """An exit code of zero is a fact, an unknown one is absent."""
    assert tool_span(tool_call(exit_code=0)).attributes["process.exit.code"] == 0
    assert tool_span(tool_call(executable="git")).attributes["process.executable.name"] == "git"
    assert "process.exit.code" not in tool_span(tool_call()).attributes


def test_mcp_tools_are_extensions_with_their_server() -> None:
    """One span per call: what MCP has to say is on the tool's span."""
    span = tool_span(tool_call(name="mcp__github__get_issue", mcp_server="github", mcp_tool="get_issue"))
    assert span.attributes["gen_ai.tool.type"] == "extension"
    assert span.attributes["mcp.method.name"] == "tools/call"
    assert span.attributes["coding_agent.mcp.server"] == "github"
    assert span.attributes["coding_agent.mcp.tool"] == "get_issue"


def test_failures_are_errors() -> None:
    """A failed call has its bounded error type, which makes the status ERROR; a good one has neither."""
    assert tool_span(tool_call(error_type="exit_code")).attributes["error.type"] == "exit_code"
    assert tool_span(tool_call(error_type="exit_code")).is_error
    assert not tool_span(tool_call()).is_error


def test_permission_is_told() -> None:
    """How long the user was waited for, what was decided, by whom, and why not."""
    span = tool_span(
        tool_call(
            error_type="denied",
            denial="user-rejected",
            decision="reject",
            decision_source="user_reject",
            permission_wait_ns=2_500_000_000,
        )
    )
    assert span.attributes["coding_agent.permission.wait_duration"] == 2.5
    assert span.attributes["coding_agent.permission.decision"] == "reject"
    assert span.attributes["coding_agent.permission.source"] == "user_reject"
    assert span.attributes["coding_agent.permission.denial"] == "user-rejected"


def test_no_wait_is_a_wait_of_zero_only_where_it_was_measured() -> None:
    """Zero seconds is a measurement, nothing is the lack of one."""
    assert tool_span(tool_call(permission_wait_ns=0)).attributes["coding_agent.permission.wait_duration"] == 0.0
    assert "coding_agent.permission.wait_duration" not in tool_span(tool_call()).attributes


def test_the_executing_agent_is_named() -> None:
    """A tool's agent is the one that runs it, not the one of the turn."""
    agent = sub_agent("a1", model_call("req_2", tool_call("toolu_2", "Read")), type="Plan")
    whole = session(turn("p", model_call("req_1", tool_call("toolu_1", "Agent", agent=agent))))
    spans = {span.name: span for span in turn_spans(whole, whole.turns[0], ConvertOptions())}
    assert spans["execute_tool Agent"].attributes["gen_ai.agent.name"] == "claude-code"
    assert "coding_agent.agent.id" not in spans["execute_tool Agent"].attributes
    assert spans["execute_tool Read"].attributes["gen_ai.agent.name"] == "Plan"
    assert spans["execute_tool Read"].attributes["coding_agent.agent.id"] == "a1"


def test_a_commit_is_on_the_span_that_made_it() -> None:
    """Revision and branch are the ones git printed; of several commits the last."""
    commits = (Commit("aaa1111", "committed", "main", at_ns(2)), Commit("bbb2222", "amended", "fix/x", at_ns(3)))
    attributes = tool_span(tool_call(commits=commits)).attributes
    assert attributes["vcs.ref.head.revision"] == "bbb2222"
    assert attributes["vcs.ref.head.name"] == "fix/x"
    assert attributes["coding_agent.commit.kind"] == "amended"


def test_a_pull_request_is_on_the_span_that_touched_it() -> None:
    """Of several pull requests the span names the one it created."""
    links = (PullRequestLink(WIDGETS, at_ns(2), "created"), PullRequestLink(GEARS, at_ns(3), "commented"))
    attributes = tool_span(tool_call(pull_requests=links)).attributes
    assert attributes["vcs.change.id"] == "7"
    assert attributes["coding_agent.change.action"] == "created"
    assert attributes["vcs.repository.url.full"] == "https://github.com/acme/widgets"
    last = tool_span(tool_call(pull_requests=(PullRequestLink(WIDGETS, at_ns(2)), links[1])))
    assert last.attributes["vcs.change.id"] == "8"


def test_paths_are_told_only_on_request() -> None:
    """File names and folders name people and projects."""
    tool = tool_call(name="Edit", file_path="/home/dev/widgets/a.py")
    assert not any("/home/dev" in str(value) for value in tool_span(tool).attributes.values())
    told = tool_span(tool, ConvertOptions(paths=True)).attributes
    assert told["file.path"] == "/home/dev/widgets/a.py"
    assert told["process.working_directory"] == "/home/dev/widgets"
