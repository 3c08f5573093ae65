from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from otel_bridge.pipeline.index import owners
from otel_bridge.pipeline.index.owners import user_of
from otel_bridge.sources.transcript.discover import TranscriptFile
from tests.transcripts import SID


@pytest.fixture(autouse=True)
def forgetful() -> Iterator[None]:
    """Let no test see what another one asked the system."""
    owners._account.cache_clear()
    yield
    owners._account.cache_clear()


def file(path: str, owner_id: int = -1) -> TranscriptFile:
    return TranscriptFile(path, SID, None, 0, owner_id=owner_id)


class Accounts:
    """A system with two accounts."""

    @staticmethod
    def getpwuid(number: int) -> object:
        names = {1000: "ada", 1001: "grace"}
        if number < 0:
            raise OverflowError
        return type("Account", (), {"pw_name": names[number]})


@pytest.mark.parametrize(("owner_id", "user"), [(1000, "ada"), (1001, "grace"), (4711, None), (-1, None)])
def test_a_file_is_whose_account_owns_it(monkeypatch: pytest.MonkeyPatch, owner_id: int, user: str | None) -> None:
    """An account that has no name any more is nobody's."""
    monkeypatch.setattr(owners, "pwd", Accounts)
    assert user_of(file(f"/home/ada/.claude/projects/-x/{SID}.jsonl", owner_id)) == user


def test_where_accounts_have_no_numbers_nobody_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows."""
    monkeypatch.setattr(owners, "pwd", None)
    assert user_of(file(f"/x/{SID}.jsonl", 1000)) is None


@pytest.mark.parametrize(
    ("path", "user"),
    [
        ("/pool/grace_2026-03-02_5a1b2c3d-0000-4000.jsonl", "grace"),
        ("/pool/grace.hopper_2026-03-02_5a1b2c3d.jsonl", "grace.hopper"),
        ("/pool/grace/2026-03-02_5a1b2c3d-0000-4000.jsonl", "grace"),
        ("/2026-03-02_5a1b2c3d.jsonl", None),
        ("/pool/grace_2026-03-02_notes.jsonl", "ada"),
        (f"/pool/grace/{SID}.jsonl", "ada"),
    ],
)
def test_a_central_collection_names_the_user(monkeypatch: pytest.MonkeyPatch, path: str, user: str | None) -> None:
    """In the file's name or in the folder's; the account is the collector's."""
    monkeypatch.setattr(owners, "pwd", Accounts)
    assert user_of(file(path, 1000)) == user


def test_this_account_has_a_name() -> None:
    """The system is asked, once for each account."""
    pwd = pytest.importorskip("pwd")
    assert user_of(file("/x.jsonl", os.getuid())) == pwd.getpwuid(os.getuid()).pw_name
