"""Secrets do not reach the trace store, and nothing else changes on the way."""

from __future__ import annotations

import time

import pytest

from tests.stack.otlp import send_grpc, spans
from tools.stack.stack import Stack
from tools.stack.stores import eventually

LETTERS = "AbCdEfGhIjKlMnOpQrStUvWxYz0123456789" * 3
SECRETS = {
    "anthropic": f"sk-ant-{'api03'}-{LETTERS[:40]}",
    "openai": f"sk-proj-{LETTERS[:48]}",
    "github": f"ghp_{LETTERS[:36]}",
    "github fine": f"github_pat_{LETTERS[:60]}",
    "gitlab": f"glpat-{LETTERS[:20]}",
    "slack": f"xoxb-{LETTERS[26:36]}-{LETTERS[:20]}",
    "aws": f"AKIA{LETTERS[:26].upper()[:16]}",
    "google": f"AIza{LETTERS[:35]}",
    "web token": f"eyJ{LETTERS[:20]}.eyJ{LETTERS[:20]}.{LETTERS[:20]}",
    "header": f"Bearer {LETTERS[:24]}",
    "key": f"-----BEGIN RSA PRIVATE KEY-----\n{LETTERS}\n-----END RSA PRIVATE KEY-----",
}
INNOCENT = {
    "uuid": "0b6a9a5e-6f3b-4d9d-8a52-93d1a4a5d9c1",
    "commit": "18e3f96a2b1c4d5e6f708192a3b4c5d6e7f80912",
    "url": "https://github.com/acme/shop/pull/12",
    "command": "task-runner --risk-assessment-of-the-whole-repository",
    "model": "claude-sonnet-4-5-20250929",
    "mail": "someone@example.com",
    "name": "toolu_01AbCdEfGhIjKlMnOpQrStUv",
}


@pytest.fixture(scope="module")
def received(stack: Stack) -> dict[str, str]:
    """Return the attributes of a span that had all of these, as the trace store has them."""
    attributes = {name: f"before {value} after" for name, value in (SECRETS | INNOCENT).items()}
    attributes["url with password"] = "https://me:hunter2@example.com/x.git"
    request = spans("redacted", time.time(), 1, attributes)
    assert send_grpc(stack.collector_grpc, request).status == "OK"
    trace_id = request.resource_spans[0].scope_spans[0].spans[0].trace_id.hex()
    (span,) = eventually(lambda: stack.trace_store.trace(trace_id), bool)
    return span.attributes


@pytest.mark.parametrize("name", SECRETS)
def test_a_secret_is_masked(received: dict[str, str], name: str) -> None:
    """The words around it stay."""
    assert received[name] == "before **** after"


def test_a_password_in_an_address_is_masked(received: dict[str, str]) -> None:
    """The address stays readable."""
    assert received["url with password"] == "https****example.com/x.git"


@pytest.mark.parametrize("name", INNOCENT)
def test_what_only_looks_alike_stays(received: dict[str, str], name: str) -> None:
    """Ids, hashes, addresses and names are what people search for."""
    assert received[name] == f"before {INNOCENT[name]} after"


def test_nothing_is_added(received: dict[str, str]) -> None:
    """No list of what was masked: on a data point it would be another series."""
    assert not [name for name in received if name.startswith("redaction")]
