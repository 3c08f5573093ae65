from __future__ import annotations

import json

import pytest

from otel_bridge.backends.documents import Page
from otel_bridge.backends.durations import DAY_NS, HOUR_NS
from otel_bridge.backends.prometheus import PrometheusFacts, prometheus_version, read_prometheus
from tests.status_server import STOCK_PROMETHEUS, prometheus_pages

SHIPPED = """\
storage:
  tsdb:
    out_of_order_time_window: 400d
    outofordertimewindow: 34560000000
    retention:
      time: 1y35d
otlp:
  promote_resource_attributes:
  - host.name
  - k8s.pod.name
  promote_scope_metadata: true
  translation_strategy: NoTranslation
"""


def read(pages: dict[str, str]) -> PrometheusFacts | str:
    return read_prometheus(lambda path: Page(pages[path]) if path in pages else Page(problem=f"{path} answers 404"))


def test_a_stock_prometheus_is_read() -> None:
    """No window, 15 days, no receiver: what its pages say of a file that sets nothing."""
    assert read(prometheus_pages()) == PrometheusFacts(
        version="3.15.0",
        config_file="/etc/prometheus/prometheus.yaml",
        window_ns=0,
        retention_ns=15 * DAY_NS,
        takes_otlp=False,
        takes_remote_write=False,
    )


def test_settings_are_read_from_the_configuration_and_the_flags() -> None:
    """Window, receiver, and everything that decides about labels and names."""
    facts = read(prometheus_pages(SHIPPED, retention="400d", web__enable_otlp_receiver="true"))
    assert isinstance(facts, PrometheusFacts)
    assert facts.window_ns == facts.retention_ns == 400 * DAY_NS
    assert facts.takes_otlp
    assert facts.promoted == ("host.name", "k8s.pod.name")
    assert facts.promotes_scope
    assert not facts.promotes_all
    assert facts.naming == "NoTranslation"


@pytest.mark.parametrize(
    ("retention", "expected_ns", "sizes"),
    [
        ("15d", 15 * DAY_NS, ()),
        ("2w or 512MB", 14 * DAY_NS, ("512MB",)),
        ("36h or 80%", 36 * HOUR_NS, ("80%",)),
        ("512MB", 15 * DAY_NS, ("512MB",)),
        ("", 15 * DAY_NS, ()),
    ],
)
def test_the_retention_in_force_is_that_of_the_runtime_page(
    retention: str, expected_ns: int, sizes: tuple[str, ...]
) -> None:
    """It may name a time, a size or both; the configuration fills a gap."""
    facts = read(prometheus_pages(retention=retention))
    assert isinstance(facts, PrometheusFacts)
    assert (facts.retention_ns, facts.size_limits) == (expected_ns, sizes)


def test_size_alone_means_no_limit_of_age() -> None:
    """Where neither page names a time."""
    facts = read(prometheus_pages(STOCK_PROMETHEUS.replace("time: 15d", "size: 512MB"), retention="512MB"))
    assert isinstance(facts, PrometheusFacts)
    assert facts.retention_ns is None


@pytest.mark.parametrize(
    "data",
    [
        {"version": "2.24.0"},
        {"version": "3.0", "goVersion": "go1.26", "application": "Grafana Mimir"},
        {},
    ],
)
def test_look_alikes_are_none(data: dict[str, str]) -> None:
    """VictoriaMetrics and Mimir answer the same page, but take OTLP elsewhere."""
    assert not prometheus_version(json.dumps({"status": "success", "data": data}))


@pytest.mark.parametrize("page", ["", "<html>", "[]", '{"data":[]}', "null", "\x00"])
def test_pages_of_others_are_no_prometheus(page: str) -> None:
    """Whatever answers with 200."""
    assert not prometheus_version(page)
    assert read({"/api/v1/status/buildinfo": page}) == "something answers, but it is no Prometheus"


def test_a_prometheus_that_does_not_name_its_version_is_one() -> None:
    """Such builds exist: the linker has to be told."""
    page = json.dumps({"data": {"version": "", "revision": "", "goVersion": "go1.26"}})
    assert prometheus_version(page) == "(version not named)"


@pytest.mark.parametrize(
    ("page", "sentence"),
    [(None, "answers 404"), ('{"data":{"yaml":": ["}}', "cannot be read"), ("{}", "cannot be read")],
)
def test_a_configuration_that_cannot_be_had_is_said(page: str | None, sentence: str) -> None:
    """Nothing is guessed."""
    pages = prometheus_pages()
    del pages["/api/v1/status/config"]
    facts = read(pages if page is None else {**pages, "/api/v1/status/config": page})
    assert isinstance(facts, str)
    assert sentence in facts


def test_flags_that_are_not_shown_are_unknown() -> None:
    """Some proxies hide them."""
    pages = prometheus_pages()
    del pages["/api/v1/status/flags"]
    facts = read(pages)
    assert isinstance(facts, PrometheusFacts)
    assert (facts.takes_otlp, facts.config_file) == (None, "prometheus.yaml")
