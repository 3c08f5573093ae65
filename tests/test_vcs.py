from __future__ import annotations

import pytest

from otel_bridge.vcs import pull_request


@pytest.mark.parametrize(
    ("url", "kept", "repository"),
    [
        ("https://github.com/a/b/pull/7/files", "https://github.com/a/b/pull/7", "https://github.com/a/b"),
        ("https://github.com/a/b.git/pull/7", "https://github.com/a/b/pull/7", "https://github.com/a/b"),
        ("", "https://github.com/a/b/pull/7", "https://github.com/a/b"),
        ("https://git.x/a/b/c/-/merge_requests/7", "https://git.x/a/b/c/-/merge_requests/7", "https://git.x/a/b/c"),
        ("https://codeberg.org/a/b/pulls/7", "https://codeberg.org/a/b/pulls/7", "https://codeberg.org/a/b"),
    ],
)
def test_a_pull_request_has_one_url_however_it_was_opened(url: str, kept: str, repository: str) -> None:
    found = pull_request("a/b", 7, url)
    assert (found.url, found.repository_url) == (kept, repository)
