"""What is answered to whom: the pages by their paths (I/O: asks the rest of the program)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from threading import Lock

from msgspec import Struct
from prometheus_client.exposition import gzip_accepted
from prometheus_client.registry import Collector

from otel_bridge.serving.exposition import Exposition
from otel_bridge.serving.page import POLICY, page
from otel_bridge.serving.self_metrics import BridgeState, SelfMetrics
from otel_bridge.serving.session_metrics import SessionMetrics
from otel_bridge.telemetry import DataPoint

State = Callable[[], BridgeState]
Points = Callable[[], Iterable[DataPoint]]

_PLAIN = "text/plain; charset=utf-8"


class Answer(Struct, frozen=True):
    """One answer: its headers beside those that all have, and its body in pieces."""

    status: HTTPStatus
    headers: tuple[tuple[str, str], ...]
    body: Iterable[bytes]
    length_bytes: int


class Answers:
    """Answers from what is true at the moment. Callable from any thread; nothing that goes wrong is raised."""

    def __init__(self, state: State, points: Points | None) -> None:
        """``state`` may be asked by several threads at once, ``points`` is asked by one at a time."""
        self._state = state
        self._collectors: list[Collector] = [SelfMetrics(state)]
        if points is not None:
            self._collectors.append(SessionMetrics(points))
        self._scrape = Lock()
        self._pages = {"/": self._page, "/healthz": self._health}

    def answer(self, path: str, accept: str = "", accept_encoding: str = "") -> Answer:
        """Return what is to be said at a path, in the form that the headers of these names ask for."""
        try:
            if path == "/metrics":
                return self._metrics(accept, is_gzip=gzip_accepted(accept_encoding))
            if path in self._pages:
                return self._pages[path]()
        except Exception as error:  # whatever fails behind the callables is told to whoever asked, and to nobody else
            return said(HTTPStatus.INTERNAL_SERVER_ERROR, f"this cannot be told: {type(error).__name__}: {error}")
        return said(HTTPStatus.NOT_FOUND, "there is nothing here. Ask for /, /metrics or /healthz")

    def _metrics(self, accept: str, *, is_gzip: bool) -> Answer:
        with self._scrape:  # two at a time would need twice the memory
            found = Exposition(self._collectors, accept)
        headers = (("Content-Type", found.content_type),)
        if not is_gzip:
            return Answer(HTTPStatus.OK, headers, found.text(), found.length_bytes)
        return Answer(HTTPStatus.OK, (*headers, ("Content-Encoding", "gzip")), [found.gzip], len(found.gzip))

    def _health(self) -> Answer:
        problems = self._state().problems
        return said(HTTPStatus.SERVICE_UNAVAILABLE if problems else HTTPStatus.OK, "\n".join(problems) or "ok")

    def _page(self) -> Answer:
        html = page(self._state()).encode("utf-8", "replace")
        headers = (("Content-Type", "text/html; charset=utf-8"), ("Content-Security-Policy", POLICY))
        return Answer(HTTPStatus.OK, headers, [html], len(html))


def said(status: HTTPStatus, sentence: str, *headers: tuple[str, str]) -> Answer:
    """Return an answer in plain words."""
    body = f"{sentence}\n".encode("utf-8", "replace")
    return Answer(status, (("Content-Type", _PLAIN), *headers), [body], len(body))
