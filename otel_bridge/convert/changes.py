"""Commits and pull requests as ``vcs.*`` attributes (pure)."""

from __future__ import annotations

from otel_bridge import semconv
from otel_bridge.convert.attributes import Attributes
from otel_bridge.vcs import Commit, PullRequestLink

PROVIDERS = (
    ("/merge_requests/", "gitlab"),
    ("/pull-requests/", "bitbucket"),
    ("/pulls/", "gitea"),
    ("/pull/", "github"),
)
"""The forge shows in the path of a change's URL, which works for self-hosted ones too."""


def commit_attributes(commit: Commit) -> Attributes:
    """Return what was committed, and where: the branch git printed beats the one of the record."""
    attributes: Attributes = {
        semconv.REF_HEAD_REVISION: commit.sha,
        semconv.COMMIT_KIND: commit.kind,
    }
    if commit.branch:
        attributes[semconv.REF_HEAD_NAME] = commit.branch
    return attributes


def change_attributes(link: PullRequestLink) -> Attributes:
    """Return which pull request was touched, and how."""
    change = link.pull_request
    owner, _, name = change.repository.rpartition("/")
    attributes: Attributes = {
        semconv.CHANGE_ID: str(change.number),
        semconv.CHANGE_ACTION: link.action,
        semconv.REPOSITORY_URL: change.repository_url,
        semconv.REPOSITORY_NAME: name,
    }
    if owner:
        attributes[semconv.OWNER_NAME] = owner
    provider = next((provider for marker, provider in PROVIDERS if marker in change.url), None)
    if provider:
        attributes[semconv.VCS_PROVIDER_NAME] = provider
    return attributes


def main_change(links: tuple[PullRequestLink, ...]) -> PullRequestLink:
    """Return the one link a span can name: the last pull request created, else the last one touched."""
    return max(links, key=lambda link: (link.action == "created", link.at_ns))
