"""Commits and pull requests, as the model knows them (pure)."""

from __future__ import annotations

import re

from msgspec import Struct

_CHANGE_URL = re.compile(r"(https?://.+?)(?:\.git)?(/(?:pulls?|(?:-/)?merge_requests|pull-requests)/\d+)")
"""Repository and number in a forge's URL: GitHub, Gitea, GitLab, Bitbucket; self-hosted ones too."""


class PullRequest(Struct, frozen=True, order=True):
    """A change under review: ``repository`` is ``owner/name``."""

    repository: str
    number: int
    url: str

    @property
    def repository_url(self) -> str:
        """The repository's browser URL (the pull request's URL up to the number), without ``.git``."""
        found = _CHANGE_URL.match(self.url)
        return found[1] if found else self.url


def pull_request(repository: str, number: int, url: str) -> PullRequest:
    """Return a pull request with its one URL: cut after the number, GitHub's where none is known."""
    found = _CHANGE_URL.match(url)
    if found:
        return PullRequest(repository, number, found[1] + found[2])
    return PullRequest(repository, number, url or f"https://github.com/{repository}/pull/{number}")


class PullRequestLink(Struct, frozen=True):
    """A session touched a pull request: created, edited, commented on it, or just ``linked`` to it."""

    pull_request: PullRequest
    at_ns: int
    action: str = "linked"


class BranchLink(Struct, frozen=True):
    """A pull request that another session of the same project linked while it was on a branch."""

    branch: str
    link: PullRequestLink


class Commit(Struct, frozen=True):
    """A commit a tool call made; ``sha`` is as abbreviated as git printed it."""

    sha: str
    kind: str
    """``committed``, ``amended`` or ``cherry-picked``."""
    branch: str | None
    at_ns: int
