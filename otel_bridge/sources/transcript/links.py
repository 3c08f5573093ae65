"""Pull requests as the client notes them (pure)."""

from __future__ import annotations

import re

from otel_bridge.sources.transcript.records import Record
from otel_bridge.vcs import PullRequestLink, pull_request

_URL_SECRETS = re.compile(r"(?<=://)[^/?#]*@|[?#].*", re.DOTALL)

SHARED_BRANCHES = frozenset({"HEAD", "main", "master", "trunk", "develop"})
"""Branches that everybody's work is on: they say nothing about a pull request."""


def pull_request_link(record: Record, at_ns: int) -> PullRequestLink | None:
    """Return what a ``pr-link`` record says, ``None`` where it names no pull request."""
    if record.prNumber is None or not record.prRepository:
        return None
    return PullRequestLink(pull_request(record.prRepository, record.prNumber, public_url(record.prUrl or "")), at_ns)


def public_url(url: str) -> str:
    """Return a URL without credentials, query and fragment."""
    return _URL_SECRETS.sub("", url.strip())
