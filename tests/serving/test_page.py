"""The page says what matters and lets nothing in."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from msgspec import structs

from otel_bridge import __version__
from otel_bridge.serving.page import moment, page, size
from otel_bridge.serving.received import Received
from otel_bridge.serving.self_metrics import BridgeState, Outcome
from otel_bridge.telemetry import Signal
from tests.serving.samples import STATE


class Reading(HTMLParser):
    """What a browser would find."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.targets: list[str] = []
        self.words = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.targets += [value or "" for name, value in attrs if name in {"href", "src"}]
        self.words += "\n"

    def handle_data(self, data: str) -> None:
        self.words += data


def test_the_page_says_how_things_are() -> None:
    words = Reading(page(STATE)).words
    for said in (
        __version__,
        "All is well",
        "/home/dev/.claude/projects",
        "215 in 1,011 files",
        "48,213, of which 3 could not be used",
        "traces: 1,204 stored",
        "metrics: 7 wanted by nobody",
        "busy: 3",
        "bad_data: 1",
        "logs: bad_timestamp: 2",
        "12.0 MiB",
        "2026-11-21 01:52:26 UTC",
        "3 sessions",
        "traces: 6,003 accepted",
        "metrics: 4 rejected",
    ):
        assert said in words


def test_the_page_says_what_is_wrong() -> None:
    ill = structs.replace(STATE, problems=("The disk is full.", "The collector is away."))
    words = Reading(page(ill)).words
    assert "The disk is full." in words
    assert "The collector is away." in words
    assert "All is well" not in words


def test_where_nothing_is_listened_for_nothing_is_said_of_it() -> None:
    """And before anything comes, nothing of what might go wrong."""
    assert "Received" not in Reading(page(BridgeState())).words
    words = " ".join(Reading(page(BridgeState(received=Received(put_off={"busy": 0})))).words.split())
    assert "Received nothing" in words
    assert "put off" not in words


def test_what_was_not_taken_is_not_among_what_was_exported() -> None:
    """It is sent again, and each attempt counts."""
    items = {(Signal.TRACES, Outcome.ACCEPTED): 5, (Signal.LOGS, Outcome.UNDELIVERED): 640}
    words = Reading(page(structs.replace(STATE, export_items=items))).words
    assert "Exported traces: 5 accepted Tried in vain logs: 640" in " ".join(words.split())


def test_a_new_bridge_has_a_page_too() -> None:
    words = Reading(page(BridgeState())).words
    assert "nothing" in words
    assert "never" in words


def test_nothing_is_loaded_and_nothing_runs() -> None:
    """Links lead to the other two answers, and the icon is empty."""
    found = Reading(page(STATE))
    assert sorted(found.targets) == ["data:,", "healthz", "metrics"]
    assert not {"script", "img", "iframe", "form"} & set(found.tags)


def test_what_comes_from_outside_stays_text() -> None:
    """Folder names and sentences may hold anything."""
    evil = "</dd><script>alert('&amp;\")</script>"
    tags = Reading(page(STATE)).tags
    found = Reading(page(structs.replace(STATE, watched=(evil,), problems=())))
    assert found.tags == tags
    assert evil in found.words
    assert evil in Reading(page(structs.replace(STATE, problems=(evil,)))).words


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [(0, "0 bytes"), (1023, "1,023 bytes"), (1024, "1.0 KiB"), (1536 << 10, "1.5 MiB"), (5 << 50, "5,120.0 TiB")],
)
def test_sizes_are_for_people(size_bytes: int, said: str) -> None:
    assert size(size_bytes) == said


def test_moments_are_in_utc() -> None:
    assert moment(0) == "1970-01-01 00:00:00 UTC"
    assert moment(None) == "never"
