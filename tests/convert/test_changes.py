import pytest

from otel_bridge.convert.changes import change_attributes, commit_attributes
from otel_bridge.vcs import Commit, PullRequest, PullRequestLink


@pytest.mark.parametrize(
    ("url", "repository_url", "provider"),
    [
        ("https://github.com/acme/widgets/pull/7", "https://github.com/acme/widgets", "github"),
        ("https://git.acme.example/acme/widgets/pull/7", "https://git.acme.example/acme/widgets", "github"),
        ("https://gitlab.com/acme/widgets/-/merge_requests/7", "https://gitlab.com/acme/widgets", "gitlab"),
        ("https://bitbucket.org/acme/widgets/pull-requests/7", "https://bitbucket.org/acme/widgets", "bitbucket"),
        ("https://codeberg.org/acme/widgets/pulls/7", "https://codeberg.org/acme/widgets", "gitea"),
    ],
)
def test_the_forge_shows_in_the_url(url: str, repository_url: str, provider: str) -> None:
    """Repository and provider come from the shape of the change's URL, on any host."""
    attributes = change_attributes(PullRequestLink(PullRequest("acme/widgets", 7, url), 0, "edited"))
    assert attributes == {
        "vcs.change.id": "7",
        "coding_agent.change.action": "edited",
        "vcs.repository.url.full": repository_url,
        "vcs.repository.name": "widgets",
        "vcs.owner.name": "acme",
        "vcs.provider.name": provider,
    }


def test_owners_may_be_nested_or_missing() -> None:
    """The name is what follows the last slash; without one there is no owner."""
    nested = change_attributes(PullRequestLink(PullRequest("acme/tools/gears", 1, "x"), 0))
    assert (nested["vcs.owner.name"], nested["vcs.repository.name"]) == ("acme/tools", "gears")
    bare = change_attributes(PullRequestLink(PullRequest("gears", 1, "x"), 0))
    assert bare["vcs.repository.name"] == "gears"
    assert not {"vcs.owner.name", "vcs.provider.name"} & bare.keys()


def test_a_commit_on_no_branch_has_none() -> None:
    """A detached commit leaves the branch to the record."""
    assert commit_attributes(Commit("abc1234", "committed", None, 0)) == {
        "vcs.ref.head.revision": "abc1234",
        "coding_agent.commit.kind": "committed",
    }
