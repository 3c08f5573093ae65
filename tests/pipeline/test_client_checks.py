from __future__ import annotations

import json
import os
from collections import Counter
from pathlib import Path

import pytest

from otel_bridge.client_env.formats import settings_env
from otel_bridge.client_env.places import Place, destination
from otel_bridge.client_env.variables import client_variables
from otel_bridge.client_env.view import ClientView, Layer
from otel_bridge.pipeline import client_layers
from otel_bridge.pipeline.checks import FAILED, OK, WARNING, Check
from otel_bridge.pipeline.client_checks import judge_client, judge_project
from otel_bridge.pipeline.client_layers import SpanSender, check_client, client_ways, read_client

GOOD = settings_env(client_variables(Place.LAPTOP, destination(None, None)))
REMOTE = {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel.example.com"}


def judged(*, helper: bool = False, without: tuple[str, ...] = (), **changes: str) -> list[Check]:
    """Return what is found wrong with good variables after some changes."""
    env = {name: value for name, value in (GOOD | changes).items() if name not in without}
    return [check for check in judge_client(ClientView([Layer("here", env, helper)])) if check.verdict != OK]


@pytest.mark.parametrize("place", Place)
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf", "http/json"])
def test_what_env_prints_is_fine(place: Place, protocol: str) -> None:
    """Nothing is found wrong with what this program itself advises."""
    variables = settings_env(client_variables(place, destination(None, protocol)))
    checks = judge_client(ClientView([Layer("here", variables)]))
    assert [check.verdict for check in checks] == [OK]
    assert "telemetry is on (here)" in checks[0].found


@pytest.mark.parametrize(
    ("changes", "without", "verdict", "words"),
    [
        ({}, ("OTEL_EXPORTER_OTLP_PROTOCOL",), WARNING, "PROTOCOL is not set"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http"}, (), FAILED, "no such protocol"),
        ({}, ("OTEL_EXPORTER_OTLP_ENDPOINT",), WARNING, "ENDPOINT is not set"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"}, (), FAILED, "no scheme"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318/v1/logs"}, (), FAILED, "without /v1/"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317"}, (), WARNING, "is spoken on 4318"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, (), WARNING, "grpc is spoken on 4317"),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://localhost:4318"}, (), WARNING, "has no path"),
        ({"OTEL_LOGS_EXPORTER": "oltp"}, (), FAILED, "no exporter is called oltp"),
        ({}, ("OTEL_LOGS_EXPORTER",), WARNING, "no logs are sent"),
        ({}, ("CLAUDE_CODE_ENHANCED_TELEMETRY_BETA",), WARNING, "spans are beta"),
        ({"CLAUDE_CODE_PROPAGATE_TRACEPARENT": "1", "OTEL_TRACES_EXPORTER": "none"}, (), WARNING, "no traceparent"),
        ({"OTEL_METRICS_INCLUDE_SESSION_ID": "false"}, (), FAILED, "lose session.id"),
        ({"OTEL_RESOURCE_ATTRIBUTES": "team=a b"}, (), WARNING, "'team=a b'"),
        ({"OTEL_METRICS_EXPORTER": "otlp,console"}, (), WARNING, "an Agent SDK that reads it breaks"),
        (REMOTE, (), WARNING, "short runs (claude -p)"),
        ({"CLAUDE_CODE_ENABLE_TELEMETRY": "0"}, (), WARNING, "CLAUDE_CODE_ENABLE_TELEMETRY is not on"),
        (
            {"ENABLE_BETA_TRACING_DETAILED": "1", "BETA_TRACING_ENDPOINT": "http://elsewhere"},
            (),
            WARNING,
            "go to BETA_TRACING_ENDPOINT=http://elsewhere",
        ),
    ],
)
def test_each_silent_failure_is_named(
    changes: dict[str, str], without: tuple[str, ...], verdict: str, words: str
) -> None:
    """Once, with what was seen and what to do."""
    (check,) = judged(without=without, **changes)
    assert check.verdict == verdict
    assert words in check.found
    assert check.advice


@pytest.mark.parametrize("endpoint", ["http://localhost:9090/api/v1/otlp", "https://prom.example.com/api/v1/otlp"])
@pytest.mark.parametrize("temporality", [None, "delta"])
def test_deltas_to_prometheus_are_lost(endpoint: str, temporality: str | None) -> None:
    """It refuses them, and delta is what the client takes where nothing is set."""
    name = "OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE"
    metrics = {"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": endpoint + "/v1/metrics"}
    changes = metrics | ({name: temporality} if temporality else {})
    found = judged(without=() if temporality else (name,), **changes)
    assert [check.verdict for check in found if check.name == "client temporality"] == [FAILED]
    assert not [check for check in judged(**metrics) if check.name == "client temporality"]


def test_a_headers_helper_is_ignored_over_grpc() -> None:
    """Without other headers nothing authenticates; over HTTP it works."""
    grpc = {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4317"}
    (check,) = judged(helper=True, **grpc)
    assert (check.verdict, "ignored over grpc" in check.found) == (FAILED, True)
    (check,) = judged(helper=True, OTEL_EXPORTER_OTLP_HEADERS="a=b", **grpc)
    assert check.verdict == WARNING
    assert judged(helper=True) == []


def test_no_exporter_at_all_fails() -> None:
    """The switch alone sends nothing."""
    (check,) = judged(without=tuple(name for name in GOOD if name.endswith("_EXPORTER")))
    assert (check.verdict, check.found.endswith("nothing is sent")) == (FAILED, True)


def test_a_client_that_sends_nothing_is_no_failure() -> None:
    """It is what clients do unless told otherwise; how to switch it on is said."""
    (check,) = judge_client(ClientView([Layer("the environment", {}), Layer("a.json", {})]))
    assert check.verdict == OK
    assert "none of the environment, a.json" in check.found
    assert "env --write user" in check.advice


def test_managed_settings_pin_the_destination() -> None:
    """What users set beside it is not used, and that is said; credentials are not."""
    user = Layer("mine", GOOD | {"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "https://me:pass@logs.example.com/v1/logs?key=x"})
    for managed in (
        Layer("managed", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:9999"}, is_managed=True),
        Layer("managed", {"OTEL_EXPORTER_OTLP_HEADERS": "a=b"}, is_managed=True),
    ):
        found = [check.found for check in judge_client(ClientView([user, managed])) if check.name == "client managed"]
        assert any("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT=https://logs.example.com/v1/logs (mine)" in each for each in found)
        assert any("OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4318 (mine)" in each for each in found)


def test_the_stronger_layer_wins() -> None:
    """Settings over the environment; an empty value says nothing."""
    view = ClientView([Layer("the environment", {"A": "1", "B": "1"}), Layer("mine", {"A": "2", "B": ""})])
    assert [str(view.value(name)) for name in "AB"] == ["A=2 (mine)", "B=1 (the environment)"]


def test_a_project_can_only_switch_off() -> None:
    """What it enables is ignored; an exporter of none is obeyed."""
    off, ignored = judge_project("settings.json", {"OTEL_LOGS_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "otlp"})
    assert "switches off OTEL_LOGS_EXPORTER" in off.found
    assert "sets OTEL_METRICS_EXPORTER: the client ignores that" in ignored.found
    assert judge_project("settings.json", {"PATH": "x"}) == []


def test_files_are_read_where_they_lie(tmp_path: Path) -> None:
    """The user's, the administrator's with its parts, the project's; a broken one is said and the rest is used."""
    user, managed, project = tmp_path / "settings.json", tmp_path / "etc" / "managed-settings.json", tmp_path / "src"
    (managed.parent / "managed-settings.d").mkdir(parents=True)
    (project / ".claude").mkdir(parents=True)
    user.write_text(json.dumps({"env": GOOD | {"CLAUDE_CODE_ENABLE_TELEMETRY": True}}))
    managed.write_text("{")
    part = managed.parent / "managed-settings.d" / "10-otel.json"
    part.write_text(json.dumps({"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4328"}}))
    (project / ".claude" / "settings.local.json").write_text('{"env": {"OTEL_LOGS_EXPORTER": "otlp"}}')
    client = read_client({"HOME": "/"}, user=user, managed=managed, project=project)
    checks = check_client(client)
    assert "to http://127.0.0.1:4328" in checks[0].found
    named = {check.name for check in checks if check.verdict == WARNING}
    assert named == {"client managed", "client project", "client settings"}
    ways = client_ways({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://not.the.clients"}, client.view)
    assert {config.target.place for config in ways.values()} == {
        f"http://127.0.0.1:4328/v1/{signal}" for signal in ("traces", "logs", "metrics")
    }


@pytest.mark.parametrize("switch", ["CLAUDE_CODE_ENHANCED_TELEMETRY_BETA", "ENABLE_ENHANCED_TELEMETRY_BETA"])
def test_spans_are_sent_where_telemetry_the_beta_and_their_exporter_are_on(switch: str) -> None:
    """Either name of the beta will do; without one of the three none come."""
    needed = {"CLAUDE_CODE_ENABLE_TELEMETRY": "1", switch: "1", "OTEL_TRACES_EXPORTER": "otlp"}
    assert ClientView([Layer("here", needed)]).sends_spans
    for name in needed:
        assert not ClientView([Layer("here", needed | {name: ""})]).sends_spans


def test_whether_spans_are_sent_is_read_again_when_settings_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And only then: somebody asks four times a second."""
    user, managed = tmp_path / "settings.json", tmp_path / "managed" / "managed-settings.json"
    sends_spans, read = SpanSender({}, user=user, managed=managed), list[Path]()

    class Counted(client_layers.SettingsFile):
        def __init__(self, path: Path) -> None:
            read.append(path)
            super().__init__(path)

    monkeypatch.setattr(client_layers, "SettingsFile", Counted)
    assert [sends_spans() for _ in range(3)] == [False] * 3
    user.write_text(json.dumps({"env": GOOD}))
    assert [sends_spans() for _ in range(3)] == [True] * 3
    managed.parent.mkdir()
    managed.write_text(json.dumps({"env": {"OTEL_TRACES_EXPORTER": "none"}}))
    assert [sends_spans() for _ in range(3)] == [False] * 3
    assert Counter(read) == {user: 3, managed: 3}


@pytest.mark.parametrize("kind", ["loop", "fifo", "directory", "broken"])
def test_settings_that_cannot_be_read_say_nothing(tmp_path: Path, kind: str) -> None:
    """Whoever asks is not kept waiting, and does not end."""
    user = tmp_path / "settings.json"
    match kind:
        case "loop":
            user.symlink_to(user)
        case "fifo":
            os.mkfifo(user)
        case "directory":
            user.mkdir()
        case _:
            user.write_bytes(b"\xff{")
    assert not SpanSender({}, user=user, managed=tmp_path / "none.json")()
    assert read_client({}, user=user, managed=tmp_path / "none.json", project=tmp_path).unreadable
