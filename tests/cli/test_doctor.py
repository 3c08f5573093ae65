"""What ``doctor`` says of endpoints and stores, before anything is sent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from otel_bridge.cli.options import samples_folder
from tests.cli.invoke import Invoke
from tests.otlp_server import ACCEPT, RecordingServer, Reply, Tls, partial
from tests.status_server import STOCK_PROMETHEUS, StatusServer, prometheus_pages, tempo_pages
from tests.transcripts import SID, prompt, response, session_file

ROOMY = STOCK_PROMETHEUS.replace("outofordertimewindow: 0", "out_of_order_time_window: 100y")


@pytest.fixture
def transcripts(tmp_path: Path) -> Path:
    """Write one session, of March 2026."""
    session_file(tmp_path, SID, prompt(), response(at=1))
    return tmp_path


@pytest.fixture
def prometheus() -> Iterator[StatusServer]:
    """Show the pages of a Prometheus as it comes."""
    with StatusServer(prometheus_pages()) as server:
        yield server


def test_the_stores_named_are_asked(invoke: Invoke, transcripts: Path, prometheus: StatusServer) -> None:
    """What would be lost, how much that is, and the line to change; the exit code says that something would be."""
    with StatusServer(tempo_pages()) as tempo:
        done = invoke("doctor", transcripts, "--prometheus", prometheus.url, "--tempo", tempo.url)
    assert done.code == 1
    assert (
        "FAILED  prometheus window: points older than 1h are refused (no out-of-order window): 1 of 1 sessions"
        in done.out
    )
    assert (
        "would be lost (0.0018 USD)\n        → /etc/prometheus/prometheus.yaml: storage.tsdb.out_of_order_time_window: "
        in done.out
    )
    assert "FAILED  tempo search:" in done.out
    assert "→ tempo.yaml: live_store.wal.ingestion_time_range_slack: " in done.out


def test_scripts_get_the_lines_and_the_loss_apart(invoke: Invoke, transcripts: Path, prometheus: StatusServer) -> None:
    """Under names of their own, money in all digits."""
    checks = {
        each["name"]: each for each in invoke("doctor", transcripts, "--prometheus", prometheus.url, "--json").json
    }
    assert checks["prometheus window"]["loss"] == {"sessions": 1, "shortened_sessions": 0, "cost_usd": "0.00183"}
    (fix,) = checks["prometheus window"]["fixes"]
    assert (fix["file"], fix["setting"]) == ("/etc/prometheus/prometheus.yaml", "storage.tsdb.out_of_order_time_window")


def test_a_roomy_store_is_fine(invoke: Invoke, transcripts: Path) -> None:
    """Nothing fails where nothing would be lost."""
    pages = prometheus_pages(ROOMY, retention="100y", web__enable_otlp_receiver="true")
    with StatusServer(pages) as server:
        done = invoke("doctor", transcripts, "--prometheus", server.url)
    assert done.code == 0, done.out


def test_an_endpoint_that_is_a_prometheus_is_recognised(
    invoke: Invoke, transcripts: Path, prometheus: StatusServer
) -> None:
    """Its pages are read without being named, and what it cannot take is said."""
    done = invoke("doctor", transcripts, "--endpoint", prometheus.url, "--json")
    checks = {check["name"]: check for check in done.json}
    assert checks["traces endpoint"]["verdict"] == "warning"
    assert checks["traces endpoint"]["found"].startswith("Prometheus takes metrics only: spans have nowhere to go")
    assert "/api/v1/otlp/v1/metrics" in checks["metrics endpoint"]["found"]
    assert checks["prometheus window"]["verdict"] == "failed"


def test_a_signal_with_an_endpoint_of_its_own_has_somewhere_to_go(
    invoke: Invoke, transcripts: Path, prometheus: StatusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Metrics to Prometheus, traces to where the environment says."""
    with RecordingServer("http/protobuf") as server:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{server.endpoint}/v1/traces")
        done = invoke("doctor", transcripts, "--endpoint", prometheus.url, "--json")
    checks = {check["name"]: check for check in done.json}
    assert checks["traces endpoint"]["verdict"] == "ok"
    assert checks["logs endpoint"]["verdict"] == "warning"


def test_an_endpoint_that_is_a_tempo_is_recognised(invoke: Invoke, transcripts: Path) -> None:
    """Traces are tried at the port its configuration names."""
    with RecordingServer("http/protobuf") as receiver:
        config = (
            f"distributor: {{receivers: {{otlp: {{protocols: {{http: {{endpoint: '{receiver.endpoint[7:]}'}}}}}}}}}}\n"
        )
        with StatusServer(tempo_pages(config)) as tempo:
            done = invoke("doctor", transcripts, "--endpoint", tempo.url, "--json")
    checks = {check["name"]: check for check in done.json}
    assert checks["traces endpoint"]["found"] == f"{receiver.endpoint}/v1/traces (http/protobuf) took a probe record"
    assert "Tempo takes spans only: metrics have nowhere to go" in checks["metrics endpoint"]["found"]
    assert checks["tempo"]["verdict"] == "ok"


def test_a_tempo_without_a_receiver_is_said(invoke: Invoke, transcripts: Path) -> None:
    """Traces have nowhere to go either."""
    with StatusServer(tempo_pages("distributor: {receivers: {}}\n")) as tempo:
        done = invoke("doctor", transcripts, "--endpoint", tempo.url, "--json")
    checks = {check["name"]: check for check in done.json}
    assert checks["traces endpoint"]["found"] == "Tempo has no OTLP receiver"
    assert done.code == 1


def test_a_store_that_does_not_answer_fails(invoke: Invoke, transcripts: Path) -> None:
    """It was named, so it was meant."""
    done = invoke("doctor", transcripts, "--tempo", "http://me:key@127.0.0.1:9", "--json")
    (tempo,) = (check for check in done.json if check["name"] == "tempo")
    assert done.code == 1
    assert tempo["found"].startswith("http://127.0.0.1:9: ")


def test_a_receiver_without_a_pipeline_for_a_signal_is_no_failure(invoke: Invoke, transcripts: Path) -> None:
    """What it does not know has nowhere to go; the rest goes."""
    for protocol, unknown in (("grpc", Reply(404, "UNIMPLEMENTED")), ("http/protobuf", Reply(404))):
        with RecordingServer(protocol, script=[ACCEPT, unknown, ACCEPT]) as server:
            done = invoke("doctor", transcripts, "--endpoint", server.endpoint, "--protocol", protocol, "--json")
        checks = {check["name"]: check for check in done.json}
        assert done.code == 0
        assert "has no pipeline for logs: events have nowhere to go" in checks["logs endpoint"]["found"]
        assert [checks[f"{signal} endpoint"]["verdict"] for signal in ("traces", "logs", "metrics")] == [
            "ok",
            "warning",
            "ok",
        ]


@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf", "http/json"])
def test_a_probe_record_of_each_signal_arrives(invoke: Invoke, transcripts: Path, protocol: str) -> None:
    """Of no session, known by service and scope, past the queues of our collectors; hop by hop is told."""
    with RecordingServer(protocol) as server:
        done = invoke("doctor", transcripts, "--endpoint", server.endpoint, "--protocol", protocol, "--json")
    assert done.code == 0, done.out
    checks = {check["name"]: check for check in done.json}
    port = server.endpoint.rpartition(":")[2]
    assert checks[f"connection to 127.0.0.1:{port}"]["found"].startswith("TCP answers in ")
    assert {request.signal: len(request.items) for request in server.requests} == {"traces": 1, "logs": 1, "metrics": 1}
    assert server.spans()[0].name == server.log_records()[0].event_name == "otel_bridge.probe"
    for request in server.requests:
        assert request.headers["x-otel-bridge-sync"] == "1"
        assert "took a probe record" in checks[f"{request.signal} endpoint"]["found"]
        told = str(request.message)
        for words in ("otel-bridge-doctor", 'name: "otel_bridge.probe"'):
            assert words in told
        assert "session.id" not in told


def test_where_the_way_ends_is_said(invoke: Invoke, transcripts: Path) -> None:
    """A name nobody knows, a port nobody listens on: nothing is sent then, and each has its own advice."""
    with RecordingServer("http/protobuf", listening=False) as server:
        for endpoint, stop in (("http://nobody.invalid:4318", "name resolution: "), (server.endpoint, "TCP: ")):
            done = invoke("doctor", transcripts, "--endpoint", endpoint, "--json")
            checks = {check["name"]: check for check in done.json}
            assert done.code == 1
            assert f"stopped at {stop}" in checks["traces endpoint"]["found"]
            (connection,) = (check for name, check in checks.items() if name.startswith("connection to "))
            assert (connection["verdict"], stop in connection["found"]) == ("failed", True)
            assert connection["advice"]


def test_tls_is_a_hop_of_its_own(invoke: Invoke, transcripts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An authority that is not trusted, none spoken there at all, and one that is told."""
    keys = Path(__file__).parents[1] / "data" / "tls"
    with RecordingServer("http/protobuf") as plain:
        checks = invoke("doctor", transcripts, "--endpoint", plain.endpoint.replace("http", "https"), "--json").json
        assert any("does it speak TLS there?" in check["advice"] for check in checks)
    with RecordingServer("http/protobuf", tls=Tls(str(keys / "server.pem"), str(keys / "server.key"))) as server:
        checks = invoke("doctor", transcripts, "--endpoint", server.endpoint, "--json").json
        for name, verdict in (("connection to", "warning"), ("traces endpoint", "failed")):
            assert any(
                c["name"].startswith(name) and c["verdict"] == verdict and "CERTIFICATE" in c["advice"] for c in checks
            )
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(keys / "client.pem"))
        checks = invoke("doctor", transcripts, "--endpoint", server.endpoint, "--json").json
        assert any("stopped at TLS: " in check["found"] for check in checks)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", str(keys / "ca.pem"))
        done = invoke("doctor", transcripts, "--endpoint", server.endpoint, "--json")
    assert done.code == 0, done.out
    assert any("TLSv1.3, certificate until " in check["found"] for check in done.json)


def test_a_receiver_that_thanks_and_refuses_fails(invoke: Invoke, transcripts: Path) -> None:
    """Partial success of one record is none; words beside it are told."""
    with RecordingServer("http/protobuf", script=lambda _: partial(1, "no room")) as server:
        done = invoke("doctor", transcripts, "--endpoint", server.endpoint, "--json")
    (traces,) = (check for check in done.json if check["name"] == "traces endpoint")
    assert (done.code, traces["verdict"]) == (1, "failed")
    assert traces["found"].endswith("answered, but did not take the probe record: no room")


def test_the_clients_settings_are_judged(
    invoke: Invoke, transcripts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they lack is a check of its own; what `env --write` puts there is fine, and tried as well."""
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "settings.json").write_text('{"env": {"CLAUDE_CODE_ENABLE_TELEMETRY": "1"}}')
    done = invoke("doctor", transcripts)
    assert done.code == 1
    assert "FAILED  client exporters: CLAUDE_CODE_ENABLE_TELEMETRY is on, but no signal has an exporter" in done.out
    with RecordingServer("http/protobuf") as server:
        invoke("env", "--write", "user", "--for", "laptop", "--endpoint", server.endpoint)
        done = invoke("doctor", transcripts)
    assert done.code == 0, done.out
    assert "ok      client: telemetry is on" in done.out
    assert f"ok      client traces endpoint: {server.endpoint}/v1/traces (http/protobuf) took a probe" in done.out
    assert [request.signal for request in server.requests] == ["traces", "logs", "metrics"]
    done = invoke("doctor", transcripts)
    assert done.code == 1
    assert f"FAILED  client connection to {server.endpoint[7:]}: stopped at TCP: " in done.out


def test_an_address_that_is_none_is_a_sentence(invoke: Invoke, transcripts: Path) -> None:
    """It names the option and shows what one looks like."""
    done = invoke("doctor", transcripts, "--prometheus", "localhost:9090")
    assert (done.code, done.out) == (2, "")
    assert "--prometheus is 'localhost:9090': give the URL of its API, such as http://localhost:9090" in done.err


def test_without_stores_it_says_how_to_ask_them(invoke: Invoke, transcripts: Path) -> None:
    """The hint is no failure."""
    done = invoke("doctor", transcripts, "--json")
    assert json.loads(done.out)[-1]["advice"].startswith("give --prometheus URL and --tempo URL")
    assert done.code == 0


def test_credentials_of_the_endpoint_stay_with_the_endpoint(
    invoke: Invoke, transcripts: Path, prometheus: StatusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store named beside it is asked without them; the endpoint itself with them."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20t")
    invoke("doctor", transcripts, "--prometheus", prometheus.url)
    assert not any("authorization" in headers for _, headers in prometheus.asked)
    asked = len(prometheus.asked)
    invoke("doctor", transcripts, "--endpoint", prometheus.url)
    assert all(headers.get("authorization") == "Bearer t" for _, headers in prometheus.asked[asked:])


def test_the_example_in_the_documentation_is_what_is_printed(invoke: Invoke, monkeypatch: pytest.MonkeyPatch) -> None:
    """The samples, three weeks after they were recorded, and both stores as they come."""
    monkeypatch.setattr("time.time_ns", lambda: round(datetime(2026, 12, 12, tzinfo=UTC).timestamp()) * 10**9)
    with (
        StatusServer(prometheus_pages(web__enable_otlp_receiver="true")) as metrics,
        StatusServer(tempo_pages()) as tempo,
    ):
        done = invoke("doctor", samples_folder(), "--prometheus", metrics.url, "--tempo", tempo.url)
    page = (Path(__file__).parents[2] / "docs" / "backfill.md").read_text(encoding="utf-8")
    example = page.partition("--tempo http://localhost:3200\n…\n")[2].partition("```")[0]
    assert example
    assert done.out.endswith(example)
