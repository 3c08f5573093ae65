"""Commits and pull requests, as the model knows them (pure)."""

from __future__ import annotations

from msgspec import Struct


class PullRequest(Struct, frozen=True, order=True):
    """A change under review: ``repository`` is ``owner/name``."""

    repository: str
    number: int
    url: str

    @property
    def repository_url(self) -> str:
        """The repository's browser URL (the pull request's URL up to the number), without ``.git``."""
        for marker in ("/pull/", "/pulls/", "/-/merge_requests/", "/merge_requests/", "/pull-requests/"):
            if marker in self.url:
                return self.url.split(marker, 1)[0]
        return self.url


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
