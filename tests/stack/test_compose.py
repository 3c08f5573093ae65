"""docker-compose.yml, as compose's own parser resolves it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from otel_bridge.receiving.listening import DEFAULTS
from tests.stack.composed import (
    FILE,
    PASSWORD,
    ROOT,
    SECRETS,
    TOKEN,
    Service,
    binds,
    compose,
    image_environment,
    probe,
    published,
    resolve,
    volumes,
)
from tools.stack.configured import CONFIG, local
from tools.stack.programs import IMAGES
from tools.stack.stack import Stack

OWN_IMAGE = "otel-bridge:local"
ONE_SHOT = {"demo", "volume-owners"}


@pytest.fixture(scope="module")
def services() -> dict[str, Service]:
    """Return the services as they are without any variable but the password."""
    return resolve()


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    """Return the file as it is written."""
    document: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    return document


def test_compose_finds_nothing_wrong() -> None:
    """Not even a warning."""
    done = compose("config", "--quiet", **SECRETS)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_compose_would_find_a_misspelt_key(tmp_path: Path) -> None:
    """The parser is a strict one."""
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(FILE.read_text(encoding="utf-8").replace("cap_drop:", "cap_dorp:"))
    done = compose("config", "--quiet", file=wrong, **SECRETS)
    assert done.returncode != 0
    assert "cap_dorp" in done.stderr


@pytest.mark.parametrize("missing", SECRETS)
def test_nothing_starts_without_a_password_and_a_token(missing: str) -> None:
    """The sentence names the variable and says where to find the line that makes one."""
    for given in ({}, {missing: ""}):
        done = compose(
            "config", "--quiet", **{name: value for name, value in SECRETS.items() if name != missing} | given
        )
        assert done.returncode != 0
        assert missing in done.stderr
        assert ".env" in done.stderr


def test_the_line_for_env_makes_every_secret(tmp_path: Path) -> None:
    """As it is written at the top of the file; no two runs make the same."""
    head = FILE.read_text(encoding="utf-8").split("\nname:")[0]
    (line,) = re.findall(r"#   (printf .*?> \.env)$", head.replace("\\\n#", ""), re.MULTILINE)
    made = []
    for name in ("first", "second"):
        folder = tmp_path / name
        folder.mkdir()
        subprocess.run(["sh", "-euc", line], cwd=folder, check=True, timeout=30)
        made.append(dict(pair.split("=", 1) for pair in (folder / ".env").read_text(encoding="utf-8").splitlines()))
    assert all(len(each[name]) >= 32 for each in made for name in SECRETS)
    assert all(made[0][name] != made[1][name] for name in SECRETS)
    assert set(made[0]) == {*SECRETS, "OTEL_BRIDGE_UID"}


def test_the_bridge_takes_from_clients_who_know_the_token(services: dict[str, Service]) -> None:
    """Where clients send by default, on this machine; the token is that of .env."""
    bridge = services["bridge"]
    assert bridge["environment"]["OTEL_BRIDGE_RECEIVE_TOKEN"] == TOKEN
    words = bridge["command"]
    listening = {option: words[words.index(option) + 1] for option in DEFAULTS}
    ports = {int(port["target"]): ("127.0.0.1", int(port["published"])) for port in bridge["ports"]}
    for option, default in DEFAULTS.items():
        host, port = default.split(":")
        assert listening[option] == f"0.0.0.0:{port}"
        assert ports[int(port)] == (host, int(port))


def test_nobody_else_has_the_token(services: dict[str, Service]) -> None:
    """Only who asks for it."""
    assert {name for name, service in services.items() if TOKEN in str(service)} == {"bridge"}


def test_there_is_no_default_password_and_no_anonymous_viewer(services: dict[str, Service]) -> None:
    """Who wants to look without logging in says so."""
    grafana = services["grafana"]["environment"]
    assert grafana["GF_SECURITY_ADMIN_PASSWORD"] == PASSWORD
    assert grafana["GF_AUTH_ANONYMOUS_ENABLED"] == "false"
    chosen = resolve(GRAFANA_ANONYMOUS_VIEWER="true")["grafana"]["environment"]
    assert (chosen["GF_AUTH_ANONYMOUS_ENABLED"], chosen["GF_AUTH_ANONYMOUS_ORG_ROLE"]) == ("true", "Viewer")


def test_ports_are_published_on_loopback_only(services: dict[str, Service]) -> None:
    """Most of these programs ask nobody who they are."""
    addresses = {address for service in services.values() for address, _ in published(service)}
    assert addresses == {"127.0.0.1"}


def test_each_program_is_published_where_the_documentation_says(services: dict[str, Service]) -> None:
    """Tempo takes spans from the collector alone, and clients send to the bridge."""
    ports = {name: sorted(port for _, port in published(service)) for name, service in services.items()}
    assert {name: found for name, found in ports.items() if found} == {
        "alertmanager": [9093],
        "bridge": [4317, 4318, 9465],
        "collector": [14317, 14318],
        "grafana": [3000],
        "prometheus": [9090],
        "tempo": [3200],
    }


def test_ports_can_be_moved() -> None:
    """Another program may be there already; links follow."""
    receiver = {"RECEIVE_GRPC_PORT": "5317", "RECEIVE_HTTP_PORT": "5318"}
    moved = resolve(BRIDGE_PORT="9466", GRAFANA_PORT="3333", PROMETHEUS_PORT="9999", **receiver)
    assert list(published(moved["bridge"])) == [("127.0.0.1", port) for port in (9466, 5317, 5318)]
    assert list(published(moved["grafana"])) == [("127.0.0.1", 3333)]
    assert moved["grafana"]["environment"]["GF_SERVER_ROOT_URL"] == "http://localhost:3333"
    assert "--web.external-url=http://localhost:9999" in moved["prometheus"]["command"]


def test_versions_are_those_the_tests_run(services: dict[str, Service]) -> None:
    """One list says which; nothing is the latest."""
    used = {service["image"] for service in services.values()} - {OWN_IMAGE}
    assert used == {IMAGES[name] for name in ("otelcol", "tempo", "prometheus", "alertmanager", "grafana")}
    assert all(re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", image) for image in used)
    assert IMAGES["grafana"].startswith("grafana/grafana:13.")


def test_only_what_is_ours_is_built(services: dict[str, Service]) -> None:
    """From the Dockerfile beside the file."""
    assert {name for name, service in services.items() if "build" in service} == {
        name for name, service in services.items() if service["image"] == OWN_IMAGE
    }
    assert Path(services["bridge"]["build"]["context"]) == ROOT


def test_no_program_has_more_rights_than_it_needs(services: dict[str, Service]) -> None:
    """Nothing but volumes can be written, no capability is kept, none can be gained."""
    for name, service in services.items():
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not {"privileged", "pid", "ipc", "devices"} & {key for key, value in service.items() if value}, name


def test_root_only_gives_volumes_to_their_owners(services: dict[str, Service]) -> None:
    """With one capability and no network, once."""
    root = {name for name, service in services.items() if service.get("user", "").startswith(("0", "root"))}
    able = {name for name, service in services.items() if service.get("cap_add")}
    assert root == able == {"volume-owners"}
    owners = services["volume-owners"]
    assert (owners["cap_add"], owners["network_mode"], owners["restart"]) == (["CHOWN"], "none", "no")


def test_volumes_get_the_owners_that_write_to_them(tmp_path: Path) -> None:
    """New ones, and the index when somebody else is to read the transcripts; by one right alone."""
    new = {target.removeprefix("/volumes/") for target in volumes(resolve()["volume-owners"]).values()}
    for name in new:
        (tmp_path / name).mkdir(mode=0o770)
    give_away(tmp_path)
    expected = {"bridge-data": (1000, 0), "collector-queue": (10001, 10001), "tempo-data": (10001, 10001)}
    assert {name: owner(tmp_path / name) for name in new} == expected
    archive, index = tmp_path / "bridge-data" / "archive", tmp_path / "bridge-data" / "index.sqlite3"
    index.touch(0o600)
    archive.mkdir(0o700)
    give_away(tmp_path)
    give_away(tmp_path, OTEL_BRIDGE_UID="1234")
    assert {owner(path) for path in (index, archive, index.parent)} == {(1234, 0)}


def give_away(folder: Path, **env: str) -> None:
    """Run `volume-owners` as it is written, with the rights it has; ``folder`` holds the volumes."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can give folders away, and setpriv takes its other rights")
    service = resolve(**env)["volume-owners"]
    command = [word.replace("/volumes", str(folder)) for word in service["entrypoint"] + service["command"]]
    rights = ",".join(["-all", *(f"+{right.lower()}" for right in service["cap_add"])])
    subprocess.run(["setpriv", "--inh-caps=-all", f"--bounding-set={rights}", *command], check=True, timeout=30)


def owner(path: Path) -> tuple[int, int]:
    """Return user and group."""
    found = path.stat()
    return found.st_uid, found.st_gid


def test_what_stays_is_watched_and_restarted(services: dict[str, Service]) -> None:
    """Every server has a health check; the collector's image cannot run one, so another container asks it."""
    staying = {name for name, service in services.items() if service["restart"] == "unless-stopped"}
    assert staying == set(services) - ONE_SHOT
    checked = {name for name, service in services.items() if service.get("healthcheck", {}).get("test")}
    assert checked == staying - {"collector"}
    assert "http://collector:13133" in services["collector-health"]["healthcheck"]["test"][-1]


def test_senders_wait_until_everything_answers(services: dict[str, Service]) -> None:
    """The demo runs once, and a bridge that starts in health has nothing to complain of."""
    waits = {
        name: {peer: need["condition"] for peer, need in services[name]["depends_on"].items()}
        for name in ("bridge", "demo")
    }
    receivers = dict.fromkeys(("collector-health", "prometheus", "tempo"), "service_healthy")
    assert waits == {
        "bridge": receivers | {"volume-owners": "service_completed_successfully"},
        "demo": receivers,
    }


def test_data_lies_in_named_volumes(services: dict[str, Service], written: dict[str, Any]) -> None:
    """Each server has its own, each volume a server, at the folder that its configuration names."""
    used = {
        volume: (name, folder)
        for name, service in services.items()
        if name != "volume-owners"
        for volume, folder in volumes(service).items()
    }
    assert set(used) == set(written["volumes"])
    assert used["bridge-data"] == ("bridge", image_environment()["OTEL_BRIDGE_DATA_DIR"])
    assert used["prometheus-data"] == ("prometheus", "/prometheus")
    assert "--storage.tsdb.path=/prometheus" in services["prometheus"]["command"]
    assert f"--storage.path={used['alertmanager-data'][1]}" in services["alertmanager"]["command"]
    tempo = (CONFIG / "tempo" / "tempo.yaml").read_text(encoding="utf-8")
    assert set(re.findall(r"(/var/\w+)/", tempo)) == {used["tempo-data"][1]}
    assert f"{used['collector-queue'][1]}/queue" in (CONFIG / "agent.yaml").read_text(encoding="utf-8")


def test_what_is_mounted_is_shipped_and_cannot_be_changed(services: dict[str, Service]) -> None:
    """The very files that the tests run."""
    for name, service in services.items():
        for volume in binds(service):
            assert volume["read_only"], (name, volume)
            if name != "bridge":
                source = Path(volume["source"])
                assert source.exists(), source
                assert source.is_relative_to(CONFIG) or source.is_relative_to(ROOT / "grafana"), source


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("collector", "--config="),
        ("tempo", "-config.file="),
        ("prometheus", "--config.file="),
        ("alertmanager", "--config.file="),
    ],
)
def test_each_program_is_started_with_a_file_that_is_there(
    services: dict[str, Service], name: str, option: str
) -> None:
    """Where it is mounted."""
    (path,) = (word.removeprefix(option) for word in services[name]["command"] if word.startswith(option))
    sources = {Path(volume["target"]): Path(volume["source"]) for volume in binds(services[name])}
    mounted = [
        source / Path(path).relative_to(target) for target, source in sources.items() if path.startswith(str(target))
    ]
    assert [file.is_file() for file in mounted] == [True]


def test_grafana_looks_for_dashboards_where_they_are_mounted(services: dict[str, Service]) -> None:
    """Each provider's path is that of the shipped folder."""
    files = (ROOT / "grafana" / "provisioning" / "dashboards").glob("*.y*ml")
    providers = [each for file in files for each in yaml.safe_load(file.read_text(encoding="utf-8"))["providers"]]
    (folder,) = (
        each["target"] for each in binds(services["grafana"]) if each["source"].endswith("/grafana/dashboards")
    )
    assert {each["options"]["path"] for each in providers} == {folder}


def test_prometheus_takes_otlp(services: dict[str, Service]) -> None:
    """The one setting that its file cannot have."""
    assert "--web.enable-otlp-receiver" in services["prometheus"]["command"]


def test_programs_are_called_by_the_names_of_services(services: dict[str, Service]) -> None:
    """Every host in the configurations is a service, and the bridge listens where Prometheus asks it."""
    files = [CONFIG / "agent.yaml", CONFIG / "prometheus" / "prometheus.yaml"]
    text = "\n".join(
        file.read_text(encoding="utf-8") for file in [*files, *(ROOT / "grafana" / "provisioning").rglob("*.yaml")]
    )
    hosts = set(re.findall(r"([a-z]+):\d{4,5}\b", text))
    assert hosts - {"localhost"} <= set(services)
    assert {"tempo", "prometheus", "collector", "alertmanager", "bridge"} <= hosts
    words = services["bridge"]["command"]
    listening = words[words.index("--listen") + 1]
    assert listening.replace("0.0.0.0", "bridge") in text


def test_the_collector_is_told_by_variables_that_it_reads(services: dict[str, Service]) -> None:
    """A misspelt one would do nothing."""
    known = set(re.findall(r"\$\{env:(\w+)", (CONFIG / "agent.yaml").read_text(encoding="utf-8")))
    given = services["collector"]["environment"]
    assert set(given) - {"GOMEMLIMIT"} <= known
    assert {given["COLLECTOR_GRPC"], given["COLLECTOR_HTTP"]} == {"0.0.0.0:14317", "0.0.0.0:14318"}


def test_transcripts_are_mounted_read_only(services: dict[str, Service]) -> None:
    """Those of the user, or of the folder that the client uses; a folder that is missing is an error, not made."""
    (transcripts,) = binds(services["bridge"])
    assert transcripts == {
        "type": "bind",
        "source": "/home/dev/.claude/projects",
        "target": f"{image_environment()['CLAUDE_CONFIG_DIR']}/projects",
        "read_only": True,
        "bind": {},  # without create_host_path, which is what others have
    }
    (chosen,) = binds(resolve(CLAUDE_CONFIG_DIR="/data/claude")["bridge"])
    assert (chosen["source"], chosen["read_only"]) == ("/data/claude/projects", True)


def test_transcripts_are_read_as_their_owner() -> None:
    """Nobody else may."""
    assert resolve()["bridge"]["user"] == "1000:0"
    assert resolve(OTEL_BRIDGE_UID="1234")["bridge"]["user"] == "1234:0"


def test_the_demo_runs_only_when_asked_for_and_sees_no_transcripts(services: dict[str, Service]) -> None:
    """It has the samples that are in the package, and no index."""
    demo = services["demo"]
    assert demo["profiles"] == ["demo"]
    assert demo["command"] == ["export", "--or-samples", "--no-store"]
    assert "volumes" not in demo
    plain = compose("config", "--services", **SECRETS).stdout.split()
    assert set(plain) == set(services) - {"demo"}


def test_senders_send_where_the_collector_listens(services: dict[str, Service]) -> None:
    """Spans and metrics; events have no store in this stack, and so no endpoint."""
    for name in ("bridge", "demo"):
        ways = {key: value for key, value in services[name]["environment"].items() if key.startswith("OTEL_EXPORTER_")}
        assert ways == {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:14318/v1/traces",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector:14318/v1/metrics",
        }


def test_health_checks_say_yes_to_the_real_programs(services: dict[str, Service], stack: Stack) -> None:
    """The commands as they are written, with the addresses of the running stack."""
    addresses = {
        "http://localhost:9090": stack.prometheus,
        "http://localhost:9093": stack.alertmanager,
        "http://collector:13133": f"http://{local(stack.ports.collector_health)}",
    }
    for name in ("prometheus", "alertmanager", "collector-health"):
        assert probe(services[name], addresses) == 0, name


def test_health_checks_say_no_where_nobody_answers(services: dict[str, Service]) -> None:
    """A check that cannot fail would be none."""
    nowhere = "http://127.0.0.1:9"
    addresses = dict.fromkeys(("http://localhost:9090", "http://localhost:9093", "http://collector:13133"), nowhere)
    for name in ("prometheus", "alertmanager", "collector-health"):
        assert probe(services[name], addresses) != 0, name
