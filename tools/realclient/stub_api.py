"""A Messages API on loopback that answers as a scenario says.

with StubApi(scenario, requests=Path("requests.jsonl")) as api:
    ...                                   # a client with ANTHROPIC_BASE_URL=api.url
"""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from msgspec.structs import asdict

from tools.realclient.messages import Event, message, overloaded, request_id, stream
from tools.realclient.scenario import Reply, Scenario, due_reply

_OVERLOADED = 529


class StubApi:
    """The server; it writes down what it was asked and what it billed, a line of JSON for each request."""

    def __init__(self, scenario: Scenario, requests: Path) -> None:
        self.scenario = scenario
        self._requests = requests
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._refused: Counter[int] = Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"api": self}))
        self._server.daemon_threads = True

    @property
    def url(self) -> str:
        """Return what a client is told to ask."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def take(self, request: dict[str, Any]) -> tuple[int, Reply, bool]:
        """Return the number of a request, the reply due, and whether it is turned away this time."""
        reply = due_reply(self.scenario, request["messages"])
        with self._lock:
            number = next(self._numbers)
            is_refused = self._refused[id(reply)] < reply.refusals
            self._refused[id(reply)] += is_refused
            with self._requests.open("a", encoding="utf-8") as lines:
                billed = None if is_refused else {"model": reply.model or request["model"], **asdict(reply.tokens)}
                line = {"number": number, "reply": reply.text, "billed": billed, "request": request}
                lines.write(json.dumps(line) + "\n")
        return number, reply, is_refused


class _Handler(BaseHTTPRequestHandler):
    api: StubApi
    protocol_version = "HTTP/1.1"

    def do_HEAD(self) -> None:
        self._answer(200, b"")

    def do_GET(self) -> None:
        self._answer(200, b'{"data": [], "has_more": false}')

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        path = self.path.partition("?")[0]
        if path == "/v1/messages":
            self._answer_messages(request)
        elif path == "/v1/messages/count_tokens":
            self._answer(200, b'{"input_tokens": 1000}')
        else:
            self._answer(404, b'{"type": "error", "error": {"type": "not_found_error", "message": "not scripted"}}')

    def _answer_messages(self, request: dict[str, Any]) -> None:
        number, reply, is_refused = self.api.take(request)
        if is_refused:
            self._answer(_OVERLOADED, json.dumps(overloaded()).encode(), number)
            return
        time.sleep(reply.delay_s)
        if request.get("stream"):
            self._stream(stream(reply, number=number, asked_model=request["model"]), number)
        else:
            whole = message(reply, number=number, asked_model=request["model"])
            self._answer(200, json.dumps(whole).encode(), number)

    def _answer(self, status: int, body: bytes, number: int = 0) -> None:
        self._head(status, "application/json", number)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _stream(self, events: Iterator[Event], number: int) -> None:
        self._head(200, "text/event-stream", number)
        self.send_header("connection", "close")
        self.end_headers()
        for event in events:
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())
            self.wfile.flush()
        self.close_connection = True

    def _head(self, status: int, content_type: str, number: int) -> None:
        self.send_response(status)
        self.send_header("content-type", content_type)
        self.send_header("request-id", request_id(number))

    def log_message(self, *args: object) -> None: ...
