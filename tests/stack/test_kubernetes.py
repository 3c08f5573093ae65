"""The manifests of the bridge, as strictly as an API server reads them; what they run, run as it is written."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
import yaml

from otel_bridge.receiving.listening import DEFAULTS
from tests.cli.commands import run as run_command
from tests.stack.built import run
from tests.stack.composed import ROOT, image_environment
from tests.stack.conftest import NewStack
from tests.stack.kubernetes_api import kubernetes_api
from tests.stack.otlp import send_http, spans
from tests.stack.test_gateway import KEYS, Gateway
from tests.stack.test_placement import Told, assert_exact
from tools.stack.configured import CONFIG, local
from tools.stack.servers import Server, free_port

FOLDER = ROOT / "kubernetes" / "bridge"
README = (ROOT / "kubernetes" / "README.md").read_text(encoding="utf-8")
FILES = sorted(path for path in FOLDER.glob("*.yaml") if path.name != "kustomization.yaml")
TOKEN = "battery staple"

Object = dict[str, Any]


@pytest.fixture(scope="module")
def objects() -> dict[str, Object]:
    """Return the objects by kind."""
    done = run("kubernetes-check", *map(str, FILES))
    assert done.returncode == 0, done.stdout
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert len({each["kind"] for each in found}) == len(found)
    return {each["kind"]: each for each in found}


@pytest.fixture(scope="module")
def pod(objects: dict[str, Object]) -> Object:
    """Return what the pod is made of."""
    spec: Object = objects["StatefulSet"]["spec"]["template"]["spec"]
    return spec


@pytest.fixture(scope="module")
def container(pod: Object) -> Object:
    (only,) = pod["containers"]
    assert isinstance(only, dict)
    return only


@pytest.mark.parametrize(
    ("old", "new"),
    [("serviceName:", "servicename:"), ("replicas: 1", "replicas: one"), ("replicas: 1", "replicas: 1\n  replicas: 2")],
)
def test_a_mistake_would_be_found(old: str, new: str, tmp_path: Path) -> None:
    """A misspelt key, a value of the wrong type, a key that is there twice."""
    text = (FOLDER / "statefulset.yaml").read_text(encoding="utf-8")
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text(text.replace(old, new), encoding="utf-8")
    assert run("kubernetes-check", str(wrong)).returncode != 0


def test_every_file_is_applied() -> None:
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text(encoding="utf-8"))
    assert set(kustomization) == {"apiVersion", "kind", "resources"}
    assert kustomization["resources"] == [path.name for path in FILES]


def test_what_belongs_together_finds_each_other(objects: dict[str, Object]) -> None:
    """Service and policy select the pods of the set, by its own selector."""
    bridge = objects["StatefulSet"]["spec"]
    labels = bridge["template"]["metadata"]["labels"]
    assert bridge["selector"]["matchLabels"] == labels
    assert objects["Service"]["spec"]["selector"] == labels
    assert objects["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == labels
    assert bridge["serviceName"] == objects["Service"]["metadata"]["name"]
    assert bridge["replicas"] == 1


def test_clients_find_the_receiver_on_the_ports_of_otlp(objects: dict[str, Object], container: Object) -> None:
    """Service, container and command name the same ports."""
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert {port["targetPort"]: port["port"] for port in objects["Service"]["spec"]["ports"]} == ports
    words = container["args"]
    listening = {words[at + 1] for at, word in enumerate(words) if word in {*DEFAULTS, "--listen"}}
    assert listening == {f"0.0.0.0:{port}" for port in ports.values()}
    assert {f"127.0.0.1:{ports[name]}" for name in ("otlp-grpc", "otlp-http")} == set(DEFAULTS.values())


def test_the_token_is_in_a_secret_that_must_be_there(objects: dict[str, Object], container: Object) -> None:
    """The README makes it; no manifest holds one, or a default."""
    assert "Secret" not in objects
    asked = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in container["env"]}
    assert set(asked) == {"OTEL_BRIDGE_RECEIVE_TOKEN", "OTEL_EXPORTER_OTLP_HEADERS"}
    assert not any(reference.get("optional") for reference in asked.values())
    (made,) = re.findall(r"create secret generic otel-bridge (.*?)\nkubectl", README, re.DOTALL)
    assert {each["key"] for each in asked.values()} == set(re.findall(r"--from-literal=([\w-]+)=", made))
    assert {each["name"] for each in asked.values()} == {"otel-bridge"}


def test_clients_get_the_token_where_env_looks_for_it() -> None:
    """`env --for pod` and the README name the same secret and key, for the service that is there."""
    (command,) = re.findall(r"^otel-bridge (env --for pod .*)$", README, re.MULTILINE)
    done = run_command(*command.split())
    assert done.returncode == 0, done.stderr
    variables = {each["name"]: each for each in yaml.safe_load(done.stdout)["env"]}
    reference = variables["OTEL_EXPORTER_OTLP_HEADERS"]["valueFrom"]["secretKeyRef"]
    assert f"create secret generic {reference['name']} --from-literal={reference['key']}=" in README
    assert variables["OTEL_EXPORTER_OTLP_ENDPOINT"]["value"] == "http://otel-bridge.agents:4318"


def test_only_labelled_pods_and_prometheus_reach_it(objects: dict[str, Object], container: Object) -> None:
    """The receiver for the ones, the page and /metrics for the other; every port has one rule."""
    policy = objects["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    allowed = {}
    for rule in policy["ingress"]:
        (peer,) = rule["from"]
        assert peer["podSelector"]["matchLabels"], "an empty selector is everybody"
        allowed.update({port["port"]: peer["podSelector"]["matchLabels"] for port in rule["ports"]})
    clients, prometheus = {"otel-bridge-client": "true"}, {"app.kubernetes.io/name": "prometheus"}
    assert allowed == {"otlp-grpc": clients, "otlp-http": clients, "metrics": prometheus}
    assert allowed.keys() == {port["name"] for port in container["ports"]}
    assert 'otel-bridge-client: "true"' in README


def test_it_has_no_more_rights_than_it_needs(pod: Object, container: Object) -> None:
    """What the restricted standard of pod security asks for, a file system that cannot be written, and no API token."""
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    assert re.search(r"^USER \d+", (ROOT / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_index_is_on_the_volume(objects: dict[str, Object], container: Object) -> None:
    mounted = {each["mountPath"]: each["name"] for each in container["volumeMounts"]}
    (claim,) = objects["StatefulSet"]["spec"]["volumeClaimTemplates"]
    assert mounted[image_environment()["OTEL_BRIDGE_DATA_DIR"]] == claim["metadata"]["name"]


def test_it_sends_where_the_gateway_listens(objects: dict[str, Object]) -> None:
    """Spans and metrics, over TLS; events have no store there, and so no endpoint."""
    gateway = yaml.safe_load((CONFIG / "gateway.yaml").read_text(encoding="utf-8"))
    http = gateway["receivers"]["otlp"]["protocols"]["http"]
    assert "tls" in http
    assert ":4318}" in http["endpoint"]
    assert objects["ConfigMap"]["data"] == {
        f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT": f"https://otel-collector:4318/v1/{signal}"
        for signal in ("traces", "metrics")
    }


class Container:
    """The container as a process here: command and variables as written, ports and folders of its own.

    Without a ``collector`` that is away.
    """

    def __init__(
        self,
        objects: dict[str, Object],
        container: Object,
        folder: Path,
        token: str,
        collector: str | None = None,
        **more: str,
    ) -> None:
        self.ports = {port["containerPort"]: free_port() for port in container["ports"]}
        self.names = {port["name"]: local(self.ports[port["containerPort"]]) for port in container["ports"]}
        words = [re.sub(r"(?<=^0\.0\.0\.0:)\d+$", self._moved, word) for word in container["args"]]
        collector = collector or f"http://{local(free_port())}"
        settings = {
            name: value.replace("https://otel-collector:4318", collector)
            for name, value in objects["ConfigMap"]["data"].items()
        }
        secret = {"receive-token": token, "exporter-headers": "authorization=Bearer%20let-me-in"}
        secrets = {each["name"]: secret[each["valueFrom"]["secretKeyRef"]["key"]] for each in container["env"]}
        places = {"OTEL_BRIDGE_DATA_DIR": str(folder / "data"), "CLAUDE_CONFIG_DIR": str(folder / "transcripts")}
        self.server = Server(
            "container",
            [sys.executable, "-m", "otel_bridge", *words],
            folder,
            self.url(container["startupProbe"]),
            image_environment() | settings | secrets | places | more,
        )

    def _moved(self, port: re.Match[str]) -> str:
        return str(self.ports[int(port[0])])

    def url(self, probe: Object) -> str:
        return f"http://{self.names[probe['httpGet']['port']]}{probe['httpGet']['path']}"


@pytest.fixture
def running(objects: dict[str, Object], container: Object, tmp_path: Path) -> Iterator[Container]:
    made = Container(objects, container, tmp_path, TOKEN)
    made.server.start()
    yield made
    made.server.kill()


@pytest.mark.slow
def test_it_takes_from_clients_who_know_the_token_while_the_collector_is_away(
    running: Container, container: Object
) -> None:
    """What it can keep, it keeps; nobody restarts it for what a restart does not mend."""
    receiver = f"http://{running.names[container['readinessProbe']['tcpSocket']['port']]}"
    native = spans("claude-code", 1_795_000_000, 2, {"session.id": "a session"})
    native.resource_spans[0].scope_spans[0].scope.name = "com.anthropic.claude_code.tracing"
    assert send_http(receiver, native).status == 401
    assert send_http(receiver, native, {"authorization": f"Bearer {TOKEN}"}).status == 200
    other = send_http(receiver, spans("another", 1_795_000_000), {"authorization": f"Bearer {TOKEN}"})
    assert other.status == 503
    for probe in ("startupProbe", "livenessProbe"):
        with urlopen(running.url(container[probe]), timeout=10) as reply:
            assert reply.status == 200


@pytest.mark.slow
def test_with_an_empty_token_nothing_is_received(objects: dict[str, Object], container: Object, tmp_path: Path) -> None:
    """Rather than from everybody."""
    made = Container(objects, container, tmp_path, "")
    made.server.start()
    try:
        with pytest.raises(OSError, match="refused"):
            send_http(f"http://{made.names['otlp-http']}", spans("anybody", 1_795_000_000))
        assert "not receiving" in made.server.log.read_text(encoding="utf-8")
    finally:
        made.server.kill()


@pytest.mark.slow
def test_what_a_client_says_reaches_the_stores_of_the_cluster(
    objects: dict[str, Object], container: Object, new_stack: NewStack, tmp_path: Path
) -> None:
    """Through the shipped gateway, over TLS, with the token of each hop: each request once, at what the client said."""
    told = Told(["2.1.329/turns"])
    with ExitStack() as ending:
        stack = new_stack()
        gateway = Gateway(stack, tmp_path, ending.enter_context(kubernetes_api(tmp_path)))
        ending.callback(gateway.server.kill)
        gateway.server.start()
        collector = f"https://{local(gateway.ports.collector_http)}"
        authority = {"OTEL_EXPORTER_OTLP_CERTIFICATE": str(KEYS / "ca.pem")}
        made = Container(objects, container, tmp_path, TOKEN, collector, **authority)
        ending.callback(made.server.kill)
        made.server.start()
        for request in told.requests():
            known = {"authorization": f"Bearer {TOKEN}"}
            assert send_http(f"http://{made.names['otlp-http']}", request, known).status == 200
        assert_exact(stack, told)
