"""What is said to the client and what the scripted model answers, read from a TOML file (pure but for the reading).

A *run* is one process of the client: prompts given one after the other, in a new session, a resumed one or a fork.
An *exchange* is a prompt, of a person or for a sub-agent, with the replies that follow it. Which reply is due is seen
in the request alone: the last prompt in it that the scenario knows, and how often the model has answered since.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct, field


class ScenarioError(Exception):
    """A scenario contradicts itself; the sentence names the place."""


class Tokens(Struct, frozen=True, forbid_unknown_fields=True):
    """What a reply is billed for."""

    input: int = 9
    output: int = 120
    cache_read: int = 14_000
    cache_write_5m: int = 150
    cache_write_1h: int = 1_800
    web_searches: int = 0


class Tool(Struct, frozen=True, forbid_unknown_fields=True):
    """A tool that a reply asks for."""

    name: str
    input: dict[str, Any]


class Reply(Struct, frozen=True, forbid_unknown_fields=True):
    """One answer of the model."""

    text: str
    thinking: str = ""
    tools: tuple[Tool, ...] = ()
    tokens: Tokens = Tokens()
    model: str | None = None
    """Who answers; ``None`` is the model that was asked for."""
    refusals: int = 0
    """How often the request is turned away as too much (529) before this is answered."""
    delay_s: float = 0.05


class Exchange(Struct, frozen=True, forbid_unknown_fields=True):
    """A prompt, or words of it that are said nowhere else, and the answers up to the end of the turn."""

    prompt: str
    replies: tuple[Reply, ...]


class Saying(Struct, frozen=True, forbid_unknown_fields=True):
    """A prompt given to the running client."""

    prompt: str
    wants_title: bool = False
    """Ask for a title of the prompt instead, as editors do: given beside the conversation, by 2.0.30 not at all."""
    results: int = 1
    """How many results the client reports before the next prompt; a background agent's news bring one more."""
    pause_s: float = 0.0
    """How long the process idles after them."""


class Run(Struct, frozen=True, forbid_unknown_fields=True):
    """One process of the client."""

    name: str
    model: str
    say: tuple[Saying, ...]
    resumes: str | None = None
    """The earlier run whose session goes on."""
    forks: str | None = None
    """The earlier run whose session is copied."""
    branch: str | None = None
    """A branch to make and change to before the client starts."""


class Scenario(Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that happens in one experiment."""

    files: dict[str, str]
    """The project's files by path, as the first commit has them."""
    programs: dict[str, str]
    """Scripts that the client finds on its PATH, by name."""
    runs: tuple[Run, ...] = field(name="run")
    exchanges: tuple[Exchange, ...] = field(name="exchange")
    otherwise: Reply
    """The answer to a request without a known prompt, and to one more than a prompt has replies."""


PROJECT = "@PROJECT@"
"""Stands in a scenario for the project's folder: tools want whole paths."""


def load_scenario(path: Path, project: Path) -> Scenario:
    """Return the scenario of a file, with the project's folder where it says ``@PROJECT@``.

    Raises:
        ScenarioError: it is no scenario, says what it has no answer to, or goes on from a run that is not before it.
    """
    try:
        scenario = msgspec.toml.decode(path.read_text(encoding="utf-8").replace(PROJECT, str(project)), type=Scenario)
    except msgspec.MsgspecError as error:
        raise ScenarioError(f"{path.name}: {error}") from None
    before: set[str] = set()
    for run in scenario.runs:
        unknown = {name for name in (run.resumes, run.forks) if name is not None} - before
        if unknown:
            raise ScenarioError(f"{path.name}: run {run.name} goes on from {unknown.pop()}, which is not before it")
        for saying in run.say:
            if not any(exchange.prompt in saying.prompt for exchange in scenario.exchanges):
                raise ScenarioError(f"{path.name}: no exchange has the prompt {saying.prompt!r} of run {run.name}")
        before.add(run.name)
    return scenario


def due_reply(scenario: Scenario, messages: Sequence[dict[str, Any]]) -> Reply:
    """Return the answer to the messages of a request."""
    answered = 0
    for message in reversed(messages):
        if message["role"] == "assistant":
            answered += 1
            continue
        said = _texts(message)
        exchange = next((each for each in scenario.exchanges if any(each.prompt in text for text in said)), None)
        if exchange is not None:
            return exchange.replies[answered] if answered < len(exchange.replies) else scenario.otherwise
    return scenario.otherwise


def _texts(message: dict[str, Any]) -> list[str]:
    """Return what a message says; what tools gave back is not said."""
    content = message.get("content") or ""
    if isinstance(content, str):
        return [content]
    return [block["text"] for block in content if block.get("type") == "text"]
