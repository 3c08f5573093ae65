"""The gateway of a cluster: lets nobody in without a token, encrypts, and says of traces where they come from."""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import grpc
import pytest
from google.protobuf.message import Message

from tests.stack.kubernetes_api import kubernetes_api
from tests.stack.otlp import SYNC, Answer, counter, send_grpc, send_http, spans
from tools.stack import configured
from tools.stack.configured import local
from tools.stack.servers import Server, free_port
from tools.stack.stack import Stack
from tools.stack.stores import eventually

pytestmark = pytest.mark.slow

KEYS = Path(__file__).parents[1] / "data" / "tls"
TOKEN = {"authorization": "Bearer let-me-in"}


class Gateway:
    """The shipped gateway, with layers on it, before the stores of a stack, and two ways to send to it."""

    def __init__(self, stack: Stack, folder: Path, kubeconfig: Path, *layers: str) -> None:
        token = folder / "token"
        token.write_text("let-me-in\n", encoding="utf-8")
        self.ports = configured.with_own_collector(stack.ports)
        more = {
            "COLLECTOR_TOKEN_FILE": str(token),
            "COLLECTOR_TLS_CERT": str(KEYS / "server.pem"),
            "COLLECTOR_TLS_KEY": str(KEYS / "server.key"),
            "RETURN_GRPC": local(free_port()),
            "RETURN_HTTP": local(free_port()),
            "K8S_AUTH": "kubeConfig",
            "KUBECONFIG": str(kubeconfig),
        }
        self.server: Server = configured.collector(folder, self.ports, ("gateway.yaml", *layers), more)

    def over_http(self, request: Message, headers: dict[str, str]) -> Answer:
        context = ssl.create_default_context(cafile=str(KEYS / "ca.pem"))
        return send_http(f"https://{local(self.ports.collector_http)}", request, headers, context)

    def over_grpc(self, request: Message, headers: dict[str, str]) -> Answer:
        trust = grpc.ssl_channel_credentials((KEYS / "ca.pem").read_bytes())
        return send_grpc(local(self.ports.collector_grpc), request, headers, trust)


@pytest.fixture(scope="module")
def gateway(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Return a running gateway; all that it is not given by its configuration is where its variables say."""
    folder = tmp_path_factory.mktemp("gateway")
    with ExitStack() as ending:
        running = Gateway(stack, folder, ending.enter_context(kubernetes_api(folder)))
        ending.callback(running.server.kill)
        running.server.start()
        yield running


def test_it_starts_without_a_warning(gateway: Gateway) -> None:
    """No deprecated name or option; only that it listens on all addresses, which a gateway does, may be said."""
    lines = gateway.server.log.read_text(encoding="utf-8").split("Everything is ready")[0].splitlines()
    assert [line for line in lines if "\twarn\t" in line or "\terror\t" in line] == []


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer something-else"}], ids=["no token", "wrong token"])
def test_without_the_token_nothing_gets_in(gateway: Gateway, headers: dict[str, str]) -> None:
    """Over HTTP and gRPC, for traces and metrics, with the bridge's header too."""
    for request in (spans("intruder", time.time()), counter("intruder", [(time.time(), 1)])):
        assert gateway.over_http(request, headers | SYNC).status == 401
        assert gateway.over_grpc(request, headers | SYNC).status == "UNAUTHENTICATED"


def test_it_speaks_tls_only(gateway: Gateway) -> None:
    """1.3 at least; and plain text is no request."""
    with pytest.raises(HTTPError, match="400"):
        # without a body: one that comes after the refusal resets the connection
        urlopen(f"http://{local(gateway.ports.collector_http)}/v1/traces", timeout=30)
    old = ssl.create_default_context(cafile=str(KEYS / "ca.pem"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises(OSError, match="protocol version"):
        send_http(f"https://{local(gateway.ports.collector_http)}", spans("old", time.time()), TOKEN, old)


def test_traces_say_which_pod_sent_them(gateway: Gateway, stack: Stack) -> None:
    """Found by the address of the connection, as soon as the gateway knows the pods of the cluster."""
    keys = count()

    def told() -> dict[str, str]:
        request = spans("from a pod", time.time(), key=str(next(keys)))
        trace_id = request.resource_spans[0].scope_spans[0].spans[0].trace_id.hex()
        assert gateway.over_grpc(request, TOKEN).status == "OK"
        (span,) = eventually(lambda: stack.trace_store.trace(trace_id), bool)
        return {name: value for name, value in span.resource.items() if name.startswith("k8s.")}

    assert eventually(told, bool, 20) == {
        "k8s.namespace.name": "agents",
        "k8s.pod.name": "bridge-7d9c5f6b8d-x2vkq",
        "k8s.pod.uid": "5f0c8a1e-0000-4000-8000-000000000001",
        "k8s.deployment.name": "bridge",
        "k8s.node.name": "node-3",
    }


def test_metrics_do_not(gateway: Gateway, stack: Stack) -> None:
    """One session is one series, whichever pod sends it, over whichever collector."""
    now = round(time.time())
    assert gateway.over_http(counter("by gateway", [(now - 5, 1)]), TOKEN | SYNC).status == 200
    assert send_http(stack.collector_http, counter("by gateway", [(now, 2)]), SYNC).status == 200
    found = stack.metrics.query('{session_id="by gateway"}', now)
    assert [sorted(labels) for labels, _ in found] == [["__name__", "job", "session_id"]]
    assert stack.metrics.query('target_info{job="claude-code"}', now) == []


@pytest.mark.parametrize("send", [Gateway.over_http, Gateway.over_grpc])
def test_the_bridge_hears_what_prometheus_says(gateway: Gateway, send: object) -> None:
    """As on a laptop."""
    assert callable(send)
    now, name = time.time(), f"gateway {getattr(send, '__name__', '')}"
    assert send(gateway, counter(name, [(now, 1)]), TOKEN | SYNC).status in {200, "OK"}
    assert send(gateway, counter(name, [(now, 2)]), TOKEN | SYNC).status in {400, "INVALID_ARGUMENT"}
    assert send(gateway, counter(name, [(now, 2)]), TOKEN).status in {200, "OK"}


def test_a_new_token_is_taken_without_a_restart(gateway: Gateway) -> None:
    """Secrets are replaced in place."""
    token = Path(gateway.server.environment["COLLECTOR_TOKEN_FILE"])
    fresh = token.with_name("fresh")
    fresh.write_text("let-me-in\nand-me-too\n", encoding="utf-8")
    os.replace(fresh, token)  # noqa: PTH105
    headers = {"authorization": "Bearer and-me-too"}
    answer = eventually(
        lambda: gateway.over_http(spans("new token", time.time()), headers), lambda it: it.status == 200, 20
    )
    assert answer.status == 200


@pytest.mark.parametrize("layer", ["front.yaml", "without-bridge.yaml"])
def test_a_layer_keeps_its_guards(stack: Stack, tmp_path: Path, layer: str) -> None:
    """Nobody gets in without the token, traces say where they come from, and the layer does its part."""
    with ExitStack() as ending:
        running = Gateway(stack, tmp_path, ending.enter_context(kubernetes_api(tmp_path)), layer)
        ending.callback(running.server.kill)
        running.server.start()
        keys = count()

        def told() -> tuple[str, str | None]:
            request = spans(f"under {layer}", time.time(), key=str(next(keys)))
            scope = request.resource_spans[0].scope_spans[0]
            if layer == "without-bridge.yaml":
                scope.scope.name, scope.spans[0].name = "com.anthropic.claude_code.tracing", "claude_code.interaction"
            assert running.over_http(request, {}).status == 401
            assert running.over_grpc(request, TOKEN).status == "OK"
            (span,) = eventually(lambda: stack.trace_store.trace(scope.spans[0].trace_id.hex()), bool)
            return span.name, span.resource.get("k8s.node.name")

        name = {"front.yaml": "span 0", "without-bridge.yaml": "invoke_agent claude-code"}[layer]
        assert eventually(told, lambda answer: answer[1] is not None, 20) == (name, "node-3")
