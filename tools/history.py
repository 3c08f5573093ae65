"""Three weeks of work for demonstrations and tests: recorded sessions again and again, on other days, branches and PRs.

    python -m tools.history FOLDER [--days 21] [--sessions 60] [--until 2026-11-21T12:00:00Z]

Writes FOLDER/TEAM/PROJECT/…; a team is who exports it (a laptop, CI). Every copy has ids of its own, so that
nothing is taken for a repetition; sub-agents, forks and the client's own totals stay what they were. The same arguments
give the same bytes.
"""

from __future__ import annotations

import argparse
import re
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path

RECORDINGS = Path(__file__).parents[1] / "tests" / "data" / "captures"
RUNS = ("2.1.329/basic", "2.1.329/compact", "2.1.329/turns", "2.1.181/basic", "2.1.50/basic", "2.0.30/turns")
TEAMS = ("ada", "grace", "ci")
PULL_REQUESTS = (
    ("acme/widgets", 101, "feat/gears"),
    ("acme/widgets", 107, "fix/leak"),
    ("acme/widgets", 112, "feat/export"),
    ("acme/console", 31, "feat/dark-mode"),
    ("acme/console", 34, "fix/scroll"),
    ("acme/infra", 9, "chore/upgrade"),
    ("acme/infra", 12, "feat/alerts"),
)
UNLINKED = ("acme/scratch", 0, "spike")
"""Work that no pull request is known for."""

UUID = re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b")
NAMED_ID = re.compile(r"\b((?:msg|req|toolu)_)([A-Za-z0-9_]+)")
TIME = re.compile(r"\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
START = re.compile(r'"startTime":(\d+)')
PULL_REQUEST = re.compile(r"kagenti/kagenti(/pull/|#)\d+")
PR_LINK = re.compile(r'"prNumber":\d+|"prRepository":"[^"]*"')
BRANCH = re.compile(r'"gitBranch":"[^"]*"')
FOLDER = re.compile(r"/home/dev/src/kagenti")


@dataclass(frozen=True)
class Copy:
    """One repetition of a recorded run."""

    number: int
    run: str
    """Version and scenario of the recording."""
    shift: timedelta
    repository: str
    pull_request: int
    """0: none."""
    branch: str

    @property
    def team(self) -> str:
        """Return whose work it is."""
        return TEAMS[self.number % len(TEAMS)]

    def text(self, original: str) -> str:
        """Return a transcript's text as this copy has it."""
        changes: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
            (UUID, lambda found: self.uuid(found[0])),
            (NAMED_ID, lambda found: found[1] + self._hash(found[2])[:24]),
            (TIME, lambda found: self._time(found[0])),
            (START, lambda found: f'"startTime":{int(found[1]) + self.shift // timedelta(milliseconds=1)}'),
            (PULL_REQUEST, lambda found: self._reference(found[1])),
            (PR_LINK, lambda found: self._pr_link(found[0])),
            (BRANCH, lambda _: f'"gitBranch":"{self.branch}"'),
            (FOLDER, lambda _: f"/home/{self.team}/src/{self.repository.rpartition('/')[2]}"),
        )
        lines = original.splitlines(keepends=True)
        text = "".join(line for line in lines if self.pull_request or not _is_link(line))
        for pattern, change in changes:
            text = pattern.sub(change, text)
        return text

    def uuid(self, original: str) -> str:
        """Return the copy's own uuid in place of one of the recording."""
        digits = self._hash(original)
        return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:32]))

    def _hash(self, original: str) -> str:
        return sha256(f"{self.number} {self.run} {original}".encode()).hexdigest()

    def _time(self, original: str) -> str:
        at = datetime.fromisoformat(original) + self.shift
        return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"

    def _reference(self, separator: str) -> str:
        return (
            f"{self.repository}{separator}{self.pull_request}" if self.pull_request else f"{self.repository}/issues/1"
        )

    def _pr_link(self, field: str) -> str:
        is_number = field.startswith('"prNumber"')
        return f'"prNumber":{self.pull_request}' if is_number else f'"prRepository":"{self.repository}"'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=21)
    parser.add_argument("--sessions", type=int, default=60, help="at least so many (a recording may have several)")
    parser.add_argument(
        "--until", type=datetime.fromisoformat, default=datetime.now(UTC), help="when the last one ended"
    )
    options = parser.parse_args()
    files = write_history(options.folder, until=options.until, days=options.days, copies=options.sessions)
    print(f"{files} files in {options.folder}, by {', '.join(TEAMS)}")


def write_history(folder: Path, *, until: datetime, days: int = 21, copies: int = 60) -> int:
    """Write the copies, evenly over the days before ``until``; return how many files they have."""
    return sum(write_copy(copy, folder / copy.team) for copy in plan(until, days, copies))


def plan(until: datetime, days: int, copies: int) -> Iterator[Copy]:
    """Yield the copies: runs, pull requests and teams in turn, of different periods, so that all meet all."""
    for number in range(copies):
        run = RUNS[number % len(RUNS)]
        has_link = number % 5 != 4
        repository, pull_request, branch = PULL_REQUESTS[number * 3 % len(PULL_REQUESTS)] if has_link else UNLINKED
        end = until - timedelta(days=days) * (copies - 1 - number) / max(copies, 1)
        yield Copy(number, run, end - last_time(run), repository, pull_request, branch)


@cache
def recording(run: str) -> dict[str, str]:
    """Return the files of a recording: their text by their path from ``projects`` on."""
    with tarfile.open(RECORDINGS / run / "transcripts.tar.xz") as archive:
        members = [member for member in archive.getmembers() if member.isfile()]
        return {member.name: _text(archive, member) for member in sorted(members, key=lambda member: member.name)}


def last_time(run: str) -> datetime:
    """Return the time of a recording's last line."""
    return datetime.fromisoformat(max(time for text in recording(run).values() for time in TIME.findall(text)))


def write_copy(copy: Copy, team: Path) -> int:
    """Write all files of a copy; return their number."""
    for name, text in recording(copy.run).items():
        project = copy.repository.rpartition("/")[2]
        folder_of_project = name.replace("-home-dev-", f"-home-{copy.team}-").replace("kagenti", project)
        target = team / UUID.sub(lambda found: copy.uuid(found[0]), folder_of_project)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(copy.text(text), encoding="utf-8")
    return len(recording(copy.run))


def _text(archive: tarfile.TarFile, member: tarfile.TarInfo) -> str:
    file = archive.extractfile(member)
    assert file is not None
    return file.read().decode()


def _is_link(line: str) -> bool:
    return '"type":"pr-link"' in line


if __name__ == "__main__":
    main()
