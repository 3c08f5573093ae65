"""Requests as a browser, a scraper or somebody with bad intentions would send them."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from prometheus_client.parser import text_string_to_metric_families

from otel_bridge.serving.server import Server

Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]
"""Values by name and labels."""


class Reply(NamedTuple):
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> Reply:
    """Send one request; header names are written with ``_`` for ``-``."""
    place = urlsplit(server.url)
    connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=10)
    try:
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        response = connection.getresponse()
        return Reply(response.status, {name.lower(): text for name, text in response.getheaders()}, response.read())
    finally:
        connection.close()


def connect(server: Server) -> socket.socket:
    """Open a connection and say nothing yet."""
    place = urlsplit(server.url)
    return socket.create_connection((place.hostname, place.port), timeout=10)


def send(server: Server, data: bytes) -> bytes:
    """Send bytes as they are and return everything that comes back until the server closes."""
    with connect(server) as connection:
        connection.sendall(data)
        return received(connection)


def received(connection: socket.socket) -> bytes:
    """Return everything that comes until the server closes."""
    return b"".join(iter(lambda: connection.recv(65_536), b""))


def samples(text: str) -> Samples:
    """Return the values of a page of metrics, as prometheus-client reads it back."""
    found = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    by_series = {(sample.name, frozenset(sample.labels.items())): sample.value for sample in found}
    assert len(by_series) == len(found), "a series stands there twice"
    return by_series
