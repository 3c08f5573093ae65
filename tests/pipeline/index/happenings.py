"""What can happen to transcripts between two looks at them.

A ``Life`` does one thing after another to the files of a ``World``; details are chosen by a seeded generator. What an
index must say after each look is in ``looks``.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

from tests.pipeline.index.world import World, append, touch
from tests.transcripts import (
    SLUG,
    Line,
    agent_file,
    agent_progress,
    ask,
    compact_boundary,
    cost_state,
    dump,
    fork_1_0_60,
    fork_2_0_30,
    fork_2_1_50,
    fork_2_1_181,
    fork_2_1_329,
    fork_oh_my_posh,
    interrupt,
    meta,
    old_agent_file,
    pr_link,
    prompt,
    queue_operation,
    response,
    session_file,
    tool_result,
    tool_use,
)

SLUGS = (SLUG, "-home-dev-gears")
PLACES = tuple(
    {"cwd": cwd, "gitBranch": branch}
    for cwd in ("/home/dev/widgets", "/home/dev/gears")
    for branch in ("main", "feat/a", "feat/b")
)


class Life:
    """What happens to the files of a world; ``HAPPENINGS`` are the methods that do it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.touched: set[Path] = set()
        """Paths at which something happened since the last pass."""
        self.refused: set[Path] = set()
        """Files that the next pass cannot open."""
        self.client: int | None = None
        """Number of the version of the client whose habits are kept: how it forks, and that forks are gone on with, and
        what it tells of sub-agents. ``None``: anything may stand in any file."""
        self.seen: dict[Path, bytes] = {}
        """What each file or meta file had when it was last read, whether it is still there or not."""
        self._rests: dict[Path, bytes] = {}
        """What is still to be written of a line."""
        self._number = 0
        self._asked: dict[str, int] = {}
        """Number of the last tool call of each session that has no result yet."""
        self._clock = 0.0

    # --- what is written ---

    def number(self) -> int:
        self._number += 1
        return self._number

    def time(self, chance: random.Random) -> float:
        self._clock += chance.choice((1, 5, 60))
        self.world.now = self._clock + 1
        return self._clock

    def lines(self, chance: random.Random, place: Line, session_id: str) -> list[Line | bytes]:
        """Write a few lines that follow each other: an exchange, or a note of the client's."""
        n, at = self.number(), self.time(chance)
        tool = tool_use(f"toolu_{n}", "Bash", command=f"git commit -m {n}")
        agent = tool_use(f"toolu_{n}", "Agent", prompt="look", subagent_type="Explore")
        opening = prompt(f"Do {n}", at=at, promptId=f"p{n}", **place)
        closing = response(f"msg_{n}b", at=at + 0.5, **place)
        exchange = [opening, ask(f"msg_{n}", tool, at=at + 0.1, **place)]
        answer = tool_result(f"toolu_{n}", f"[main {n:07x}] x", at=at + 0.3, **place)
        late = tool_result(f"toolu_{self._asked.get(session_id, 0)}", f"[main {n:07x}] x", at=at + 0.3, **place)
        choices: list[list[Line | bytes]] = [
            [*exchange, answer, closing],
            exchange,
            [late],
            [opening, response(f"msg_{n}", at=at + 0.2, stop=None, **place), closing],
            [opening, *map(agent_progress, (opening, closing))],
            [opening, ask(f"msg_{n}", agent, at=at + 0.1, **place), ask(f"msg_{n}i", at=at, isSidechain=True)],
            [pr_link(1 + n % 3, at=at)],
            [cost_state(f"{n / 100}", start=0)],
            [meta(chance.choice(("ai-title", "custom-title")), aiTitle=f"Title {n}", customTitle=f"Name {n}")],
            [queue_operation(at=at), compact_boundary(at=at), interrupt(at=at)],
            [b"garbage\n", meta("mode", mode="normal"), b"\n"],
        ]
        chosen = chance.choice(choices)
        if chosen is exchange:
            self._asked[session_id] = n
        return chosen

    def lines_of(self, path: Path, chance: random.Random, place: Line) -> list[Line | bytes]:
        """Write a few lines of the session a file belongs to."""
        first = _loaded(path.read_bytes().partition(b"\n")[0])
        session_id = path.stem if not path.name.startswith("agent-") else first.get("sessionId", "")
        lines = self.lines(chance, place, session_id)
        return [line if isinstance(line, bytes) else {"sessionId": session_id} | line for line in lines]

    def session_id(self) -> str:
        return f"{self.number():08x}-0000-4000-8000-00000000000a"

    # --- where ---

    def files(self, kind: str = "*") -> list[Path]:
        return sorted(self.world.projects.rglob(f"{kind}.jsonl"))

    def file(self, chance: random.Random, kind: str = "*") -> Path | None:
        files = self.files(kind)
        return chance.choice(files) if files else None

    def changed(self, *paths: Path) -> None:
        self.touched.update(paths)

    # --- what happens ---

    def begin(self, chance: random.Random) -> None:
        """Begin a session."""
        session_id, place = self.session_id(), chance.choice(PLACES)
        at = self.time(chance)
        lines: list[Line | bytes] = [queue_operation(at=at), prompt(at=at, promptId=f"p{self.number()}", **place)]
        for _ in range(chance.randint(1, 3)):
            lines += self.lines(chance, place, session_id)
        path = session_file(self.world.root, session_id, *lines, slug=chance.choice(SLUGS))
        self.changed(touch(path))

    def grow(self, chance: random.Random) -> None:
        """Let a file grow by whole lines; one that was half written is finished first."""
        if path := self.file(chance):
            lines = self.lines_of(path, chance, chance.choice(PLACES))
            self.changed(append(path, self._rests.pop(path, b""), *lines))

    def grow_half(self, chance: random.Random) -> None:
        """Let a file grow by a part of a line, perhaps by all of it but the newline."""
        if path := self.file(chance):
            lines = self.lines_of(path, chance, PLACES[0])
            raw = b"".join(line if isinstance(line, bytes) else dump(line) for line in lines)
            cut = len(raw) - 1 if chance.random() < 0.5 else chance.randrange(len(raw))
            self.changed(append(path, self._rests.pop(path, b""), raw[:cut]))
            self._rests[path] = raw[cut:]

    def start_agent(self, chance: random.Random) -> None:
        """Give a sub-agent a file, below its session or beside it, and perhaps a meta file."""
        main = self.file(chance, "*-*-*-*-*")
        if main is None or main.parent.name == "subagents":
            return
        agent_id, place = f"a{self.number()}", PLACES[0]
        lines = [line for line in self.lines(chance, place, agent_id) if isinstance(line, dict)]
        lines = [prompt("look", at=self.time(chance), **place), *lines]
        if chance.random() < 0.3:
            path = old_agent_file(self.world.root, main.stem, agent_id, *lines)
        else:
            path = agent_file(self.world.root, main.stem, agent_id, *lines)
        self.changed(touch(path))
        if chance.random() < 0.5:
            self._describe(path, chance)

    def describe(self, chance: random.Random) -> None:
        """Let a sub-agent's meta file come, change, be damaged or go."""
        if path := self.file(chance, "agent-*"):
            self._describe(path, chance)

    def _describe(self, path: Path, chance: random.Random) -> None:
        about = path.with_suffix(".meta.json")
        text = {"agentType": chance.choice(("Explore", "Plan"))}
        if self.client is None:
            text["toolUseId"] = f"toolu_{chance.randint(1, 9)}"
        raw = chance.choice((json.dumps(text).encode(), json.dumps(text).encode(), b"{", None))
        if raw is None:
            about.unlink(missing_ok=True)
        else:
            about.write_bytes(raw)
            touch(about)
        self.changed(about)

    def fork(self, chance: random.Random) -> None:
        """Fork a session as one of the client's versions does; it goes on, or not yet."""
        path = self.file(chance, "*-*-*-*-*")
        if path is None or path.parent.name == "subagents":
            return
        whole = [line for line in path.read_bytes().splitlines() if line.startswith(b"{") and line.endswith(b"}")]
        known = [line for line in map(_loaded, whole) if line.get("uuid")]
        if not known:
            return
        part, at, n = known[: chance.randint(1, len(known))], self.time(chance), self.number()
        copies = self._copies(chance, part, at=at, prompt_id=f"fork-{n}")
        own = [queue_operation(at=at), prompt(at=at, promptId=f"fork-{n}"), response(f"msg_f{n}", at=at + 0.1)]
        lines = [*copies, *own[: chance.randint(0 if self.client is None else 2, 3)]]
        self.changed(touch(session_file(self.world.root, self.session_id(), *lines, slug=chance.choice(SLUGS))))

    def _copies(self, chance: random.Random, part: list[Line], *, at: float, prompt_id: str) -> list[Line]:
        origins = [line.get("sessionId", "") for line in part]
        plain = [{key: value for key, value in line.items() if key != "sessionId"} for line in part]
        named = zip(plain, origins, strict=True)
        versions = (
            lambda: fork_1_0_60(plain, at=at),
            lambda: [fork_2_0_30([{"type": ""}, line], origin=origin)[1] for line, origin in named],
            lambda: [fork_2_1_50([line], origin=origin)[0] for line, origin in named],
            lambda: fork_2_1_181(plain),
            lambda: fork_2_1_329(plain, prompt_id=prompt_id),
            lambda: fork_oh_my_posh(plain),
        )
        return (chance.choice(versions) if self.client is None else versions[self.client])()

    def truncate(self, chance: random.Random) -> None:
        """Cut a file's end off, at any byte after its first line."""
        if path := self.file(chance):
            raw = path.read_bytes()
            first = raw.find(b"\n") + 1
            path.write_bytes(raw[: chance.randint(min(first, len(raw)), len(raw))])
            self.changed(touch(path))

    def replace(self, chance: random.Random) -> None:
        """Give a file other lines, in place or by a new file of its name."""
        path = self.file(chance)
        if path is None:
            return
        first = path.read_bytes().split(b"\n")[0] + b"\n" if path.name.startswith("agent-") else b""
        others = self.lines_of(path, chance, chance.choice(PLACES))
        lines = [line if isinstance(line, bytes) else dump(line) for line in others]
        if chance.random() < 0.5:
            path.write_bytes(first + b"".join(lines))
        else:
            other = path.with_suffix(".new")
            other.write_bytes(first + b"".join(lines))
            other.replace(path)
        self.changed(touch(path))

    def edit(self, chance: random.Random) -> None:
        """Change a figure in the middle, and not the size."""
        if path := self.file(chance):
            raw = path.read_bytes()
            path.write_bytes(raw.replace(b'"output_tokens":50', b'"output_tokens":7%d' % chance.randint(0, 9), 1))
            self.changed(touch(path))

    def move(self, chance: random.Random) -> None:
        """Move a file to another project's folder; perhaps it grows before anybody looks."""
        if path := self.file(chance):
            below = path.relative_to(self.world.projects).parts[1:]
            target = self.world.projects.joinpath(chance.choice((*SLUGS, "-moved")), *below)
            self._move(path, target)
            if chance.random() < 0.3:
                self.changed(append(target, *self.lines_of(target, chance, PLACES[0])))

    def rename(self, chance: random.Random) -> None:
        """Give a file the name of another session, which has none yet."""
        path = self.file(chance, "*-*-*-*-*")
        if path is not None and path.parent.name != "subagents":
            self._move(path, path.with_name(f"{self.session_id()}.jsonl"))

    def _move(self, path: Path, target: Path) -> None:
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            path.rename(target)
            about = path.with_suffix(".meta.json")
            if about.exists():
                about.rename(target.with_suffix(".meta.json"))
            self.changed(path, target)

    def copy(self, chance: random.Random) -> None:
        """Copy a file to another project's folder."""
        if path := self.file(chance):
            below = path.relative_to(self.world.projects).parts[1:]
            target = self.world.projects.joinpath("-copied", *below)
            target.parent.mkdir(parents=True, exist_ok=True)
            if target != path:
                shutil.copy(path, target)
            self.changed(touch(target))

    def delete(self, chance: random.Random) -> None:
        """Delete a file with its meta file."""
        if path := self.file(chance):
            path.unlink()
            path.with_suffix(".meta.json").unlink(missing_ok=True)
            self.changed(path)

    def restore(self, chance: random.Random) -> None:
        """Put a file back that went, as it was or longer."""
        gone = sorted(path for path in self.seen if path.suffix == ".jsonl" and not path.exists())
        if gone:
            path = chance.choice(gone)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.seen[path])
            self.changed(touch(path))
            if chance.random() < 0.5:
                self.changed(append(path, *self.lines_of(path, chance, PLACES[0])))

    def wait(self, chance: random.Random) -> None:
        """Let time pass, less or more than ends a turn."""
        self._clock += chance.choice((600, 1200, 2000))
        self.world.now = self._clock + 1

    def refuse(self, chance: random.Random) -> None:
        """Let a file that changed be closed to the next look."""
        if path := self.file(chance):
            self.grow(chance)
            self.refused.add(path)
            self.changed(touch(path))


def _loaded(raw: bytes) -> Line:
    try:
        line = json.loads(raw)
    except ValueError:
        return {}
    return line if isinstance(line, dict) else {}


Happening = Callable[[Life, random.Random], None]

HAPPENINGS: dict[str, Happening] = {
    name: getattr(Life, name)
    for name in (
        *("begin", "grow", "grow_half", "start_agent", "describe", "fork", "truncate", "replace", "edit", "move"),
        *("rename", "copy", "delete", "restore", "wait", "refuse"),
    )
}
