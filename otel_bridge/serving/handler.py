"""One request: read within limits of size and time, checked, answered, and over (I/O)."""

from __future__ import annotations

import re
import socket
import time
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from typing import Any

from otel_bridge import __version__
from otel_bridge.serving.address import names_loopback
from otel_bridge.serving.answers import Answer, Answers, said

MOST_HEAD_BYTES = 16 << 10
"""Of the request line and all headers together."""
ASK_WITHIN_S = 5.0
"""How long a client may take to ask …"""
TAKE_WITHIN_S = 30.0
"""… to take the answer …"""
LEAVE_WITHIN_S = 1.0
"""… and to leave."""

_END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
_METHODS = ("GET", "HEAD")
_ALWAYS = (("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"), ("Connection", "close"))


class Handler(BaseHTTPRequestHandler):
    """Answers GET and HEAD, whatever the client does; keeps no connection and prints nothing."""

    protocol_version = "HTTP/1.1"
    default_request_version = "HTTP/1.0"  # even who is too old or too odd to say one gets a status
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(message)s\n"

    def __init__(self, *connection: Any, answers: Answers, only_loopback: bool) -> None:
        """Serve a connection, as ``socketserver`` gives it; with ``only_loopback`` names of other hosts are refused."""
        self._answers = answers
        self._only_loopback = only_loopback
        super().__init__(*connection)

    def handle(self) -> None:
        """Read a request and answer it; a client that goes away or is too slow gets nothing more."""
        with suppress(OSError):
            if head := self._read_head():
                self._reply(head)
                self._leave()

    def version_string(self) -> str:
        """Return what the header ``Server`` says."""
        return f"otel-bridge/{__version__}"

    def log_message(self, *_: object) -> None:
        """Say nothing: the terminal belongs to the command."""

    def _read_head(self) -> bytes:
        """Return all until the empty line; nothing if the client closes before it, a part if it is too long."""
        head = b""
        until = time.monotonic() + ASK_WITHIN_S
        while len(head) < MOST_HEAD_BYTES and not _END_OF_HEAD.search(head):
            received = self._receive(until, MOST_HEAD_BYTES - len(head))
            if not received:
                return b""
            head += received
        return head

    def _receive(self, until: float, most_bytes: int) -> bytes:
        self.connection.settimeout(_left(until))
        received: bytes = self.connection.recv(most_bytes)
        return received

    def _reply(self, head: bytes) -> None:
        self.rfile.close()
        self.rfile = BytesIO(head)
        self.raw_requestline = self.rfile.readline()
        self.requestline = self.request_version = self.command = ""  # send_error asks for them
        if not _END_OF_HEAD.search(head):
            self.send_error(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE)
        elif self.parse_request():  # which has answered what is no request
            self._send(self._answer())

    def _answer(self) -> Answer:
        if self.command not in _METHODS:
            return said(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD", ("Allow", ", ".join(_METHODS)))
        hosts = self.headers.get_all("Host", [])
        # A web page can have its own name point to this machine; then the browser would let it read the answer.
        if self._only_loopback and not (len(hosts) == 1 and names_loopback(hosts[0])):
            return said(HTTPStatus.MISDIRECTED_REQUEST, "ask for localhost or 127.0.0.1: other names are not answered")
        path = self.path.partition("?")[0]
        return self._answers.answer(path, self._header("Accept"), self._header("Accept-Encoding"))

    def _header(self, name: str) -> str:
        return ", ".join(self.headers.get_all(name, []))

    def _send(self, answer: Answer) -> None:
        until = time.monotonic() + TAKE_WITHIN_S
        self.connection.settimeout(_left(until))
        self.send_response(answer.status)
        for name, value in (*answer.headers, *_ALWAYS, ("Content-Length", str(answer.length_bytes))):
            self.send_header(name, value)
        self.end_headers()
        for piece in answer.body if self.command != "HEAD" else ():
            self.connection.settimeout(_left(until))
            self.wfile.write(piece)

    def _leave(self) -> None:
        """Let the client close first: what it had left to say would cost it the end of the answer."""
        self.connection.shutdown(socket.SHUT_WR)
        until = time.monotonic() + LEAVE_WITHIN_S
        while self._receive(until, MOST_HEAD_BYTES):
            pass


def _left(until: float) -> float:
    """Return the seconds left, above 0; TimeoutError when there are none."""
    left = until - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
