"""Pages are kept small and come out whole."""

from __future__ import annotations

import gzip

import pytest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.core import Metric as Family

from otel_bridge.serving.exposition import Exposition
from tests.serving.client import samples

PIECE = 65_536


class Page:
    """A collector of the families it is given."""

    def __init__(self, *families: Family) -> None:
        self._families = families

    def collect(self) -> tuple[Family, ...]:
        return self._families


def gauge(name: str, *values: float, says: str = "x") -> Family:
    family = GaugeMetricFamily(name, says, labels=["n"])
    for place, value in enumerate(values):
        family.add_metric([f"{name}{place}"], value)
    return family


@pytest.mark.parametrize("size", [0, 1, *range(PIECE - 80, PIECE + 3), 3 * PIECE, 1_000_000])
def test_the_text_is_whole_whatever_its_length(size: int) -> None:
    """Long runs that end beside the end of a piece too."""
    page = Exposition([Page(gauge("g", says="a" * size))], "")
    text = b"".join(page.text())
    assert text == b"# HELP g " + b"a" * size + b"\n# TYPE g gauge\n"
    assert len(text) == page.length_bytes
    assert gzip.decompress(page.gzip) == text


def test_parts_of_a_family_stand_under_one_head() -> None:
    """The same name again is a part; another collector's family has a head of its own."""
    page = Exposition([Page(gauge("a", 1), gauge("a", 2, 3), gauge("b", 4)), Page(gauge("c", 5))], "")
    lines = b"".join(page.text()).decode().splitlines()
    assert [line.split()[2] for line in lines if line.startswith("# TYPE")] == ["a", "b", "c"]
    assert [line.rpartition(" ")[2] for line in lines if not line.startswith("#")] == [
        "1.0",
        "2.0",
        "3.0",
        "4.0",
        "5.0",
    ]


def test_nothing_to_show_is_a_page_too() -> None:
    """OpenMetrics has an end even then."""
    assert b"".join(Exposition([], "").text()) == b""
    assert b"".join(Exposition([], "application/openmetrics-text").text()) == b"# EOF\n"


@pytest.mark.parametrize("version", ["", "one", "1", "1.x", "0.0.1", "-1", "1.0\r\n .0", "9" * 5000])
@pytest.mark.parametrize("kind", ["application/openmetrics-text", "text/plain", "text/html", ""])
def test_any_wish_is_answered(kind: str, version: str) -> None:
    """By a text of a type that is one line, and that holds what there is."""
    page = Exposition([Page(gauge("a", 1))], f"{kind};version={version};escaping=none,*/*")
    assert page.content_type.startswith(("text/plain;", "application/openmetrics-text;"))
    assert len(page.content_type.splitlines()) == 1
    assert samples(b"".join(page.text()).decode()) == {("a", frozenset({("n", "a0")})): 1}
