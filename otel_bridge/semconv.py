"""Every telemetry name the bridge emits, declared once: the only module that may spell them (pure).

Standard names follow the OpenTelemetry GenAI semantic conventions, which have no release yet: the text is that of
``open-telemetry/semantic-conventions-genai`` at commit 6fd0d763 (2026-10-09) on core conventions 1.44.0.
Facts without a convention (cost, turns, lines …) live under ``coding_agent.``, the bridge's own under ``otel_bridge.``.
``docs/telemetry.md`` is generated from the declarations in this file.
"""

from __future__ import annotations

from functools import partial

from otel_bridge import __version__
from otel_bridge.declarations import Attribute, AttributeGroup, EventShape, MetricGroup, SpanShape
from otel_bridge.telemetry import Instrument, Metric, Scope, SpanKind

SCHEMA_URL = "https://opentelemetry.io/schemas/gen-ai-dev/1.42.0-dev"
RESOURCE_SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
SCOPE = Scope("otel_bridge", __version__, SCHEMA_URL)
"""The scope of everything we emit; native telemetry is told from ours by it, never by ``service.name``."""
PROBE_SCOPE = Scope("otel_bridge.probe", __version__)
"""The scope of what ``doctor`` sends to see whether it arrives."""
PROBE_SERVICE = "otel-bridge-doctor"
PROBE = Metric("otel_bridge.probe", "{probe}", Instrument.GAUGE, "1 whenever ``doctor`` tried the way")
"""Its span and event have the same name."""

ATTRIBUTES: dict[str, Attribute] = {}
"""Name → declaration, in the order of this file."""
_Group = partial(AttributeGroup, ATTRIBUTES)

# Resource: who and where; settings may add any other resource attribute (k8s.*, user.* …).
_resource = _Group()
SERVICE_NAME = _resource("service.name", "string", "The agent, unless settings name the service")
SERVICE_VERSION = _resource("service.version", "string", "Version of the agent's client during the turn")
DEPLOYMENT_ENVIRONMENT_NAME = _resource("deployment.environment.name", "string", "Set by settings")
HOST_NAME = _resource("host.name", "string", "Set by settings")
USER_NAME = _resource("user.name", "string", "Set by settings: the account of the operating system")
HOST_TYPE = _resource("coding_agent.host.type", "string", "Where the agent ran: `local`, `ci`, `cluster` or `cloud`")

# Every span and event
_every = _Group()
CONVERSATION_ID = _every("gen_ai.conversation.id", "string", "The session's id")
SESSION_ID = _every("session.id", "string", "The session's id")
TURN_KEY = _every("coding_agent.turn.key", "string", "The prompt's id; before 2.1.77 the uuid of its record")
TURN_INDEX = _every("coding_agent.turn.index", "int", "Position of the turn in its session, from 0")
TURN_ORDINAL = _every("coding_agent.turn.ordinal", "int", "Which continuation, from 1; absent on the turn itself")
ENTRYPOINT = _every("coding_agent.entrypoint", "string", "How the client was started (`cli`, `sdk-cli` …)")
AGENT_ID = _every("coding_agent.agent.id", "string", "The sub-agent's run; absent on what the main agent did")

# Every span
_span = _Group(_every)
OPERATION_NAME = _span("gen_ai.operation.name", "string", "`invoke_agent`, `chat` or `execute_tool`")
REF_HEAD_NAME = _span("vcs.ref.head.name", "string", "Branch when the record was written; absent when detached")
WORKING_DIRECTORY = _span("process.working_directory", "string", "The agent's folder at that time", is_opt_in=True)

# Agents and tool calls
_acting = _Group()
AGENT_NAME = _acting("gen_ai.agent.name", "string", "The agent invoked, or the one executing the tool")
ERROR_TYPE = _acting("error.type", "string", "A bounded word; exactly the spans with status ERROR have it")

# Agents and model calls
_talking = _Group()
INPUT_TOKENS = _talking("gen_ai.usage.input_tokens", "int", "The whole prompt, cache included", "{token}")
OUTPUT_TOKENS = _talking("gen_ai.usage.output_tokens", "int", "On agents, as the input: of their own calls", "{token}")
FINISH_REASONS = _talking("gen_ai.response.finish_reasons", "string[]", "`stop`, `length`, `tool_call` … (last call)")
INPUT_MESSAGES = _talking("gen_ai.input.messages", "string", "The prompt, as JSON", is_opt_in=True)
OUTPUT_MESSAGES = _talking("gen_ai.output.messages", "string", "The answer, as JSON", is_opt_in=True)

# Agents: turns of the main agent and runs of sub-agents
_agent = _Group()
PREVIOUS_SESSION_ID = _agent("session.previous_id", "string", "The session this one was forked from")
TURN_END_REASON = _agent("coding_agent.turn.end_reason", "string", "`end_turn`, `next_prompt` or `idle`")
PROMPT_KIND = _agent("coding_agent.prompt.kind", "string", "`human`, `command`, `notification` or `other`")
PROMPT_LENGTH = _agent("coding_agent.prompt.length", "int", "Length of the prompt's text", "{character}")
PROMPT_COMMAND = _agent("coding_agent.prompt.command", "string", "The slash command that opened the turn")
PROMPT_SOURCE = _agent("coding_agent.prompt.source", "string", "How the prompt came in (`typed`, `sdk`, `queued` …)")
PARENT_AGENT_ID = _agent("coding_agent.agent.parent_id", "string", "The sub-agent that started this one")
AGENT_LINK = _agent("coding_agent.agent.link", "string", "What proved the parent (`meta`, `tool_result` … `none`)")
AGENT_BACKGROUND = _agent("coding_agent.agent.background", "boolean", "True for a sub-agent nobody waited for")
AGENT_DESCRIPTION = _agent("coding_agent.agent.description", "string", "What it was sent for", is_opt_in=True)
COMPACTION_COUNT = _agent("coding_agent.compaction.count", "int", "Summaries that replaced history", "{compaction}")

# Spans of the client itself
_native_span = _Group()
NATIVE_SPAN_TYPE = _native_span("coding_agent.native.span_type", "string", "The client's word (`tool`, `hook` …)")

# Model calls
_chat = _Group()
PROVIDER_NAME = _chat("gen_ai.provider.name", "string", "Always `anthropic`")
REQUEST_MODEL = _chat("gen_ai.request.model", "string", "The model asked for; the one that answered if unknown")
REASONING_LEVEL = _chat("gen_ai.request.reasoning.level", "string", "The effort asked for")
RESPONSE_ID = _chat("gen_ai.response.id", "string", "The message's id, else the request's, else `event_…`")
RESPONSE_MODEL = _chat("gen_ai.response.model", "string", "The model that answered; prices follow it")
CONVERSATION_COMPACTED = _chat("gen_ai.conversation.compacted", "boolean", "True after a compaction; never false")
CACHE_READ_TOKENS = _chat("gen_ai.usage.cache_read.input_tokens", "int", "Part of the input", "{token}")
CACHE_WRITE_TOKENS = _chat("gen_ai.usage.cache_write.input_tokens", "int", "Part of the input", "{token}")
REASONING_TOKENS = _chat("gen_ai.usage.reasoning.output_tokens", "int", "Part of the output", "{token}")
CACHE_WRITE_5M_TOKENS = _chat("coding_agent.usage.cache_write_5m.input_tokens", "int", "Kept 5 minutes", "{token}")
CACHE_WRITE_1H_TOKENS = _chat("coding_agent.usage.cache_write_1h.input_tokens", "int", "Kept 1 hour", "{token}")
USAGE_WEB_SEARCHES = _chat("coding_agent.usage.web_searches", "int", "Searches billed with the response", "{search}")
USAGE_ITERATIONS = _chat("coding_agent.usage.iterations", "int", "Billed entries, where there are several", "{entry}")
OUTPUT_IS_LOWER_BOUND = _chat(
    "coding_agent.usage.output_is_lower_bound", "boolean", "True where the final count of output tokens is not recorded"
)
COST_AMOUNT = _chat("coding_agent.cost.amount", "double", "List price of the response; only model calls have it", "USD")
COST_CURRENCY = _chat("coding_agent.cost.currency", "string", "ISO 4217: `USD`")
COST_SOURCE = _chat("coding_agent.cost.source", "string", "`computed` from tokens or `reported` by the client")
COST_UNPRICED = _chat("coding_agent.cost.unpriced", "boolean", "True where no price is known: the call has no cost")
REQUEST_ID = _chat("coding_agent.request.id", "string", "The API's request id")
QUERY_SOURCE = _chat("coding_agent.query.source", "string", "`main`, `subagent` or `auxiliary` (titles, compaction …)")
TIME_TO_FIRST_CHUNK = _chat("gen_ai.response.time_to_first_chunk", "double", "From the request, where reported", "s")
REQUEST_SPEED = _chat("coding_agent.request.speed", "string", "`fast`; absent at standard speed")
REQUEST_SERVICE_TIER = _chat("coding_agent.request.service_tier", "string", "`priority` or `batch`; else absent")
REQUEST_GEO = _chat("coding_agent.request.inference_geo", "string", "Where inference was bound to, such as `us`")
CALLING_AGENT = _chat("coding_agent.agent.name", "string", "The agent that made the call")
ATTRIBUTION_SKILL = _chat("coding_agent.attribution.skill", "string", "The skill that caused the call")
ATTRIBUTION_MCP_SERVER = _chat("coding_agent.attribution.mcp_server", "string", "The MCP server that caused the call")
RETRY_COUNT = _chat("coding_agent.retry.count", "int", "Attempts that failed before the response came", "{attempt}")
RETRY_ERROR_TYPES = _chat("coding_agent.retry.error_types", "string[]", "What those attempts failed of")

# Tool calls
_tool = _Group()
TOOL_NAME = _tool("gen_ai.tool.name", "string", "The tool as the model called it")
TOOL_TYPE = _tool("gen_ai.tool.type", "string", "`extension` for MCP tools, else `function`")
TOOL_CALL_ID = _tool("gen_ai.tool.call.id", "string", "The tool_use id")
TOOL_ARGUMENTS = _tool("gen_ai.tool.call.arguments", "string", "The tool's input, as JSON", is_opt_in=True)
TOOL_RESULT = _tool("gen_ai.tool.call.result", "string", "The tool's output", is_opt_in=True)
SKILL_NAME = _tool("gen_ai.skill.name", "string", "The skill loaded")
EXECUTABLE_NAME = _tool("process.executable.name", "string", "The program a shell command runs")
EXIT_CODE = _tool("process.exit.code", "int", "Exit code of the command, where it is recorded")
FILE_PATH = _tool("file.path", "string", "The file read or written", is_opt_in=True)
MCP_METHOD = _tool("mcp.method.name", "string", "`tools/call`")
MCP_SERVER = _tool("coding_agent.mcp.server", "string", "The MCP server that has the tool")
MCP_TOOL = _tool("coding_agent.mcp.tool", "string", "The tool's name on its MCP server")
PERMISSION_WAIT = _tool("coding_agent.permission.wait_duration", "double", "Time the call waited for the user", "s")
PERMISSION_DECISION = _tool("coding_agent.permission.decision", "string", "`accept` or `reject`")
PERMISSION_SOURCE = _tool("coding_agent.permission.source", "string", "Who decided (`user_temporary`, `config` …)")
PERMISSION_DENIAL = _tool("coding_agent.permission.denial", "string", "Why it was refused (`user-rejected` …)")
LINES_ADDED = _tool("coding_agent.lines.added", "int", "Lines the tool added to files", "{line}")
LINES_REMOVED = _tool("coding_agent.lines.removed", "int", "Lines the tool removed from files", "{line}")
TOOL_RESULT_SIZE = _tool("coding_agent.tool.result_size", "int", "Size of the tool's result", "By")
TOOL_WEB_SEARCHES = _tool("coding_agent.tool.web_searches", "int", "Searches the tool made", "{search}")

# Tool calls and events: commits and pull requests
_commit = _Group()
REF_HEAD_REVISION = _commit("vcs.ref.head.revision", "string", "The commit made, as abbreviated as git printed it")
COMMIT_KIND = _commit("coding_agent.commit.kind", "string", "`committed`, `amended` or `cherry-picked`")
_change = _Group()
CHANGE_ID = _change("vcs.change.id", "string", "Number of the pull request")
CHANGE_ACTION = _change("coding_agent.change.action", "string", "`created`, `edited`, `commented` … or `linked`")
REPOSITORY_URL = _change("vcs.repository.url.full", "string", "Browser URL of the pull request's repository")
REPOSITORY_NAME = _change("vcs.repository.name", "string", "Its name without the owner")
OWNER_NAME = _change("vcs.owner.name", "string", "Its owner")
VCS_PROVIDER_NAME = _change("vcs.provider.name", "string", "`github`, `gitlab`, `bitbucket` or `gitea`")

# Span links
LINK_TYPE = _Group()("coding_agent.link.type", "string", "`previous_turn`, `continued_turn` or `fork_origin`")

# Events
_event = _Group(_every)
EVENT_UID = _event("log.record.uid", "string", "Hash of what happened: equal ids are one event sent twice")
_exception = _Group(_event)
EXCEPTION_TYPE = _exception("exception.type", "string", "A bounded word (`rate_limit`, `overloaded_error` …)")
STATUS_CODE = _exception("http.response.status_code", "int", "Status of the API's answer, where there was one")
RETRY_ATTEMPT = _exception("coding_agent.retry.attempt", "int", "Which attempt failed for good", "{attempt}")
_compaction = _Group(_event)
COMPACTION_TRIGGER = _compaction("coding_agent.compaction.trigger", "string", "`auto` or `manual`")
TOKENS_BEFORE = _compaction("coding_agent.compaction.tokens_before", "int", "Size of the history", "{token}")
TOKENS_AFTER = _compaction("coding_agent.compaction.tokens_after", "int", "Size of the summary", "{token}")
COMPACTION_DURATION = _compaction("coding_agent.compaction.duration", "double", "Time the compaction took", "s")
_hook = _Group(_event)
HOOK_EVENT = _hook("coding_agent.hook.event", "string", "What the hook is registered for (`PreToolUse` …)")
HOOK_NAME = _hook("coding_agent.hook.name", "string", "The hook's name in the client")
HOOK_OUTCOME = _hook("coding_agent.hook.outcome", "string", "`success`, `blocking_error`, `error` or `cancelled`")
HOOK_DURATION = _hook("coding_agent.hook.duration", "double", "Time the hook ran", "s")

OP_INVOKE_AGENT = "invoke_agent"
OP_CHAT = "chat"
OP_EXECUTE_TOOL = "execute_tool"
NATIVE_SPAN = "coding_agent.native"
"""How the names of the client's spans begin; they are no operation: nobody counts them."""
USAGE_NAMESPACE = "gen_ai.usage."

SPANS = (
    SpanShape(
        OP_INVOKE_AGENT,
        SpanKind.INTERNAL,
        (f"{OP_INVOKE_AGENT} {{{AGENT_NAME}}}",),
        "A turn of the main agent (the root of its trace), or the run of a sub-agent",
        (*_span, *_acting, *_talking, *_agent),
    ),
    SpanShape(
        OP_CHAT,
        SpanKind.CLIENT,
        (f"{OP_CHAT} {{{REQUEST_MODEL}}}",),
        "One response of the model, retries included; the only span with a cost",
        (*_span, *_talking, *_chat),
    ),
    SpanShape(
        OP_EXECUTE_TOOL,
        SpanKind.INTERNAL,
        tuple(f"{OP_EXECUTE_TOOL} {{{TOOL_NAME}}}{x}" for x in (f" {{{EXECUTABLE_NAME}}}", f" {{{SKILL_NAME}}}", "")),
        "One finished tool call, the wait for permission included",
        (*_span, *_acting, *_tool, *_commit, *_change),
    ),
    SpanShape(
        NATIVE_SPAN,
        SpanKind.INTERNAL,
        (f"{NATIVE_SPAN} {{{NATIVE_SPAN_TYPE}}}",),
        "A span of the client that is none of those above, with its own ids and parent, for what hangs on it",
        (*_every, ERROR_TYPE, *_native_span),
    ),
)

SESSION_START = EventShape("session.start", 9, "The session's first own record", (*_event, PREVIOUS_SESSION_ID))
EXCEPTION = EventShape(
    "gen_ai.client.operation.exception", 13, "A request to the model API that failed for good", (*_exception,)
)
COMPACTION = EventShape("coding_agent.compaction", 9, "An agent's history was replaced by a summary", (*_compaction,))
HOOK = EventShape("coding_agent.hook", 9, "A user's hook ran; WARN unless it succeeded", (*_hook, TOOL_CALL_ID))
PERMISSION_DENIED = EventShape(
    "coding_agent.permission.denied",
    9,
    "The user or a policy refused a tool call",
    (*_event, TOOL_NAME, TOOL_CALL_ID, PERMISSION_DENIAL, PERMISSION_SOURCE, AGENT_NAME),
)
COMMIT = EventShape(
    "coding_agent.commit", 9, "A tool call made a commit", (*_event, *_commit, REF_HEAD_NAME, TOOL_CALL_ID)
)
PULL_REQUEST = EventShape(
    "coding_agent.pull_request",
    9,
    "The session touched a pull request; without a turn where no tool call did it",
    (*_event, *_change, TOOL_CALL_ID),
)
EVENTS = (SESSION_START, EXCEPTION, COMPACTION, HOOK, PERMISSION_DENIED, COMMIT, PULL_REQUEST)

# Metrics: the facts that only they carry
_series = _Group()
CALL_SOURCE = _series("coding_agent.call.source", "string", "`main`, `subagent`, `auxiliary` or `unrecorded`")
TOKEN_MODALITY = _series("gen_ai.token.modality", "string", "Always `unknown`: no record breaks tokens down")
ACTIVITY = _series("coding_agent.activity", "string", "`agent` at work, or waiting for the `user`")
LINE_CHANGE_TYPE = _series("vcs.line_change.type", "string", "`added` or `removed`")
PROBLEM_KIND = _series("coding_agent.problem.kind", "string", "`unpriced_call`, `output_lower_bound`, `api_retry` …")
START_TYPE = _series("coding_agent.session.start_type", "string", "`fresh`, `resume`, `continue` or `agents_view`")
COMPARED_METRIC = _series("coding_agent.native.metric", "string", "The metric (for pull requests: event) compared")
COMPARED_KIND = _series("coding_agent.native.kind", "string", "Which part of it, of lines: `added` or `removed`")


METRICS = _metric = MetricGroup(SESSION_ID)
"""What is counted of sessions."""
_COUNTER, _GAUGE, _HISTOGRAM = Instrument
_MODELS = (OPERATION_NAME, PROVIDER_NAME, REQUEST_MODEL, RESPONSE_MODEL)


def _tokens(kind: str, brief: str, namespace: str = "gen_ai.client.inference.usage") -> Metric:
    return _metric(f"{namespace}.{kind}", _COUNTER, "{token}", brief, (*_MODELS, TOKEN_MODALITY))


COST = _metric(
    "coding_agent.cost",
    _COUNTER,
    "USD",
    "List price of the calls; with source `unrecorded`, what the client's own total has beyond them",
    (REQUEST_MODEL, RESPONSE_MODEL, CALL_SOURCE),
)
USAGE_INPUT = _tokens("input_tokens", "Whole prompts, cache included")
USAGE_OUTPUT = _tokens("output_tokens", "Answers")
USAGE_CACHE_READ = _tokens("cache_read.input_tokens", "Part of the input: read from the cache")
USAGE_CACHE_WRITE = _tokens("cache_write.input_tokens", "Part of the input: written to the cache")
USAGE_UNCACHED = _tokens(
    "uncached_input_tokens",
    "Part of the input: neither read from the cache nor written to it, at the full price",
    "coding_agent.usage",
)
USAGE_REASONING = _tokens("reasoning.output_tokens", "Part of the output, where the client says so")
CHANGE_COST = _metric(
    "coding_agent.change.cost",
    _GAUGE,
    "USD",
    "List price of the session's calls so far that belong to a pull request; without one, of those of none",
    (REPOSITORY_URL, CHANGE_ID),
)
SESSION_INFO = _metric(
    "coding_agent.session.info",
    _GAUGE,
    "{session}",
    "1 for what is known of the session, 0 for what was thought of it before",
    (AGENT_NAME, HOST_TYPE, USER_NAME, REPOSITORY_URL),
)
TOOL_DURATION = _metric(
    "gen_ai.execute_tool.duration",
    _HISTOGRAM,
    "s",
    "Finished tool calls, the wait for permission included",
    (TOOL_NAME, TOOL_TYPE, MCP_SERVER, ERROR_TYPE),
)
INFERENCE_DURATION = _metric(
    "gen_ai.client.inference.duration", _HISTOGRAM, "s", "Model calls, retries included", _MODELS
)
AGENT_DURATION = _metric(
    "gen_ai.invoke_agent.duration",
    _HISTOGRAM,
    "s",
    "Turns of the main agent and runs of sub-agents that are over",
    (AGENT_NAME, ERROR_TYPE),
)
AGENT_INFERENCE_CALLS = _metric(
    "gen_ai.invoke_agent.inference_calls",
    _HISTOGRAM,
    "{inference_call}",
    "Model calls of one turn or run, those of its sub-agents not included",
    (AGENT_NAME,),
)
AGENT_TOOL_CALLS = _metric(
    "gen_ai.invoke_agent.tool_calls", _HISTOGRAM, "{tool_call}", "Likewise, finished tool calls", (AGENT_NAME,)
)
PERMISSION_WAITS = _metric(
    "coding_agent.permission.wait", _HISTOGRAM, "s", "Tool calls that waited for the user's permission", (TOOL_NAME,)
)
ACTIVE_TIME = _metric(
    "coding_agent.active_time", _COUNTER, "s", "Time of turns that are over, by who was waited for", (ACTIVITY,)
)
LINES = _metric("coding_agent.lines", _COUNTER, "{line}", "Lines that tools changed", (LINE_CHANGE_TYPE,))
COMMITS = _metric("coding_agent.commits", _COUNTER, "{commit}", "Commits that tool calls made")
PROBLEMS = _metric(
    "coding_agent.problems",
    _COUNTER,
    "{problem}",
    "What makes numbers less than certain, and requests that failed",
    (PROBLEM_KIND, RESPONSE_MODEL),
)
PRICE_DIFFERENCE = _metric(
    "coding_agent.price.difference",
    _GAUGE,
    "USD",
    "At most 0: what our price of the calls has beyond the client's own total",
)

NATIVE_STARTS = _metric(
    "coding_agent.native.starts", _COUNTER, "{start}", "The client's own: processes of the session", (START_TYPE,)
)
NATIVE_ACTIVE_TIME = _metric(
    "coding_agent.native.active_time",
    _COUNTER,
    "s",
    "The client's own: the agent at work, the user at the keyboard",
    (ACTIVITY,),
)
NATIVE_EDIT_DECISIONS = _metric(
    "coding_agent.native.edit_decisions",
    _COUNTER,
    "{decision}",
    "The client's own: edits of files that were allowed or refused",
    (TOOL_NAME, PERMISSION_DECISION, PERMISSION_SOURCE),
)
NATIVE_DIFFERENCE = _metric(
    "coding_agent.native.difference",
    _GAUGE,
    "{difference}",
    "Ours less the client's own counter, in the unit of the metric compared; 0 where both agree",
    (COMPARED_METRIC, COMPARED_KIND),
)

# What the bridge counts of itself: shown to whoever scrapes it, never sent
_LABELS = (
    Attribute("reason", "string", "Why a record was not used (`bad_json` …) or a request not taken (`busy` …)"),
    Attribute("signal", "string", "`traces`, `logs` or `metrics`; of requests also `other`"),
    Attribute("outcome", "string", "`accepted`, `rejected` or `undelivered` (this time: it is sent again)"),
    Attribute("fate", "string", "`stored`, `duplicate`, `outdated`, `passed_on` or `rejected`"),
)
OWN_ATTRIBUTES = {attribute.name: attribute for attribute in _LABELS}
REASON, SIGNAL, OUTCOME, FATE = OWN_ATTRIBUTES
OWN_METRICS = _own = MetricGroup()
OWN_SESSIONS = _own("otel_bridge.sessions", _GAUGE, "{session}", "Sessions in the index")
OWN_FILES = _own("otel_bridge.files", _GAUGE, "{file}", "Transcript files in the index")
OWN_READ = _own("otel_bridge.records.read", _COUNTER, "{record}", "Records read from transcripts")
OWN_REJECTED = _own("otel_bridge.records.rejected", _COUNTER, "{record}", "Records that could not be used", (REASON,))
OWN_RUNS = _own("otel_bridge.index.runs", _COUNTER, "{run}", "Times the index was brought up to date")
OWN_RUN_TIME = _own("otel_bridge.index.duration", _COUNTER, "s", "Time those runs took together")
OWN_SIZE = _own("otel_bridge.index.size", _GAUGE, "By", "What the index takes on the disk")
OWN_ITEMS = _own("otel_bridge.export.items", _COUNTER, "{item}", "Items by what became of each try", (SIGNAL, OUTCOME))
OWN_RECEIVED_REQUESTS = _own("otel_bridge.receive.requests", _COUNTER, "{request}", "Requests taken", (SIGNAL,))
OWN_RECEIVED = _own("otel_bridge.receive.items", _COUNTER, "{item}", "Items by what became of them", (SIGNAL, FATE))
OWN_PUT_OFF = _own("otel_bridge.receive.put_off", _COUNTER, "{request}", "Requests to be sent again", (REASON,))
OWN_REFUSED = _own("otel_bridge.receive.refused", _COUNTER, "{request}", "Requests refused for good", (REASON,))
OWN_UNUSABLE = _own(
    "otel_bridge.receive.problems",
    _COUNTER,
    "{problem}",
    "Records and values of the client that could not be used",
    (SIGNAL, REASON),
)
OWN_PENDING = _own("otel_bridge.pending.sessions", _GAUGE, "{session}", "Sessions with something not yet delivered")
OWN_SYNCED = _own("otel_bridge.last_sync.time", _GAUGE, "s", "When the last run ended, in seconds since 1970")
OWN_PROBLEMS = _own("otel_bridge.problems", _GAUGE, "{problem}", "What is wrong at the moment; 0 when healthy")
