from __future__ import annotations

import pytest

from otel_bridge.backends.documents import Page, duration_at, number_at, read_json, read_yaml, value_at
from otel_bridge.backends.pages import Access, StatusPages
from otel_bridge.errors import UsageError
from tests.status_server import StatusServer


def test_a_page_is_its_text() -> None:
    """Below whatever address was given."""
    with StatusServer({"/deep/status": "fine"}) as server, StatusPages(f"{server.url}/deep/") as pages:
        assert pages.get("/status") == Page("fine")


def test_an_answer_that_is_no_page_is_told_from_no_answer() -> None:
    """Both are values, not exceptions."""
    with StatusServer({"/status": 403}) as server, StatusPages(server.url) as pages:
        assert pages.get("/status") == Page(problem="/status answers 403")
    with StatusPages("http://127.0.0.1:9") as pages:
        page = pages.get("/status")
    assert (bool(page.problem), page.is_answer) == (True, False)


def test_passwords_are_used_and_not_shown() -> None:
    """An address may carry them."""
    with StatusServer({"/status": "fine"}) as server, StatusPages(server.url.replace("//", "//me:key@")) as pages:
        assert pages.get("/status").text == "fine"
        assert pages.place == server.url
    assert server.asked[0][1]["authorization"].startswith("Basic ")


@pytest.mark.parametrize("access", [Access(proxy="gopher://x"), Access(certificate="/no/such/file")])
def test_what_cannot_be_used_is_a_sentence(access: Access) -> None:
    """A proxy or certificate that cannot be used stops us before anything is asked."""
    with pytest.raises(UsageError, match="cannot be used"):
        StatusPages("https://localhost", access)


def test_an_endless_page_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an address leads to, memory is bounded."""
    monkeypatch.setattr("otel_bridge.backends.pages._LONGEST_PAGE_BYTES", 1 << 20)
    with StatusServer({"/status": "x" * (2 << 20)}) as server, StatusPages(server.url) as pages:
        assert pages.get("/status").problem == "/status is longer than 1 MiB"


def test_values_are_found_by_their_path() -> None:
    """Missing keys, other shapes and other types are all nothing."""
    document = read_yaml("a: {b: {span: 2m0s, count: 5, on: true}}\n")
    assert duration_at(document, "a.b.span") == 120_000_000_000
    assert number_at(document, "a.b.count") == 5
    assert [value_at(document, path) for path in ("a.c", "a.b.span.x", "x")] == [None, None, None]
    assert [number_at(document, path) for path in ("a.b.on", "a.b.span")] == [None, None]


@pytest.mark.parametrize("text", ["", "- 1", "a: [", "a: !!python/object/apply:os.getpid []", "\x00"])
def test_what_is_no_mapping_is_none(text: str) -> None:
    """Nothing in a page can do more than be wrong."""
    assert read_yaml(text) is None
    assert read_json(text) is None
