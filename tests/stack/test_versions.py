"""A version of the stack is written once: what is built, what is tested and what the images are is the same."""

from __future__ import annotations

import re

import pytest
import yaml

from tests.stack.built import run
from tools.stack.programs import IMAGES, PROGRAMS, SOURCES

COMPOSE = SOURCES.parents[1] / "docker-compose.yml"
MODULES = {
    "prometheus": ("github.com/prometheus/prometheus", "v0.{minor}.{patch}"),
    "alertmanager": ("github.com/prometheus/alertmanager", "v{version}"),
    "jaeger": ("github.com/jaegertracing/jaeger", "v{version}"),
    "docker-compose": ("github.com/docker/compose/v2", "v{version}"),
    "kubernetes-check": ("k8s.io/client-go", "v{version}"),
}
TOLD = {
    "otelcol": ("otelcol", "--version"),
    "prometheus": ("prometheus", "--version"),
    "promtool": ("prometheus", "--version"),
    "alertmanager": ("alertmanager", "--version"),
    "amtool": ("alertmanager", "--version"),
    "docker-compose": ("docker-compose", "version"),
}


@pytest.mark.parametrize("name", MODULES)
def test_the_locked_module_is_the_version_that_is_named(name: str) -> None:
    """Prometheus 3.15.0 is the module v0.315.0."""
    module, form = MODULES[name]
    version = PROGRAMS[name].version
    major, minor, patch = version.split(".")
    wanted = form.format(version=version, minor=f"{major}{int(minor):02}", patch=patch)
    lock = (PROGRAMS[name].sources / "go.mod").read_text(encoding="utf-8")
    assert re.search(rf"^\s*(?:require )?{re.escape(module)} {re.escape(wanted)}\b", lock, re.MULTILINE)


def test_the_manifest_of_the_collector_has_one_version() -> None:
    """Providers are numbered apart: the same release is v1.58.0."""
    manifest = yaml.safe_load((PROGRAMS["otelcol"].sources / "manifest.yaml").read_text(encoding="utf-8"))
    version = PROGRAMS["otelcol"].version
    assert manifest["dist"]["version"] == version
    for kind in ("receivers", "processors", "connectors", "exporters", "extensions"):
        assert {each["gomod"].split()[1] for each in manifest[kind]} == {f"v{version}"}
    assert {each["gomod"].split()[1] for each in manifest["providers"]} == {"v1.58.0"}


def test_the_lock_of_the_collector_is_that_of_its_manifest() -> None:
    """A changed manifest needs `--relock`; otherwise the old versions would be built without a word."""
    sources = PROGRAMS["otelcol"].sources
    manifest = yaml.safe_load((sources / "manifest.yaml").read_text(encoding="utf-8"))
    wanted = {each["gomod"] for kind, parts in manifest.items() if kind != "dist" for each in parts}
    locked = {line.strip() for line in (sources / "go.mod").read_text(encoding="utf-8").splitlines()}
    assert wanted - locked == set()


@pytest.mark.parametrize("name", TOLD)
def test_a_program_says_its_version(name: str) -> None:
    """The built one, not one of the machine."""
    owner, question = TOLD[name]
    assert re.search(rf"\bv?{re.escape(PROGRAMS[owner].version)}\b", run(name, question).stdout)


@pytest.mark.parametrize("program", IMAGES)
def test_the_image_has_the_version_that_is_tested(program: str) -> None:
    """The tag of an image ends with the version of the program built here."""
    if program in PROGRAMS:
        assert IMAGES[program].endswith(f":{PROGRAMS[program].version}") or IMAGES[program].endswith(
            f":v{PROGRAMS[program].version}"
        )
    assert re.search(r":v?\d+\.\d+\.\d+$", IMAGES[program])


@pytest.mark.skipif(not COMPOSE.exists(), reason="there is no docker-compose.yml")
def test_compose_runs_what_is_tested() -> None:
    """Every image of docker-compose.yml that is not built from this repository is one of programs.toml."""
    services = yaml.safe_load(COMPOSE.read_text(encoding="utf-8"))["services"]
    images = {service["image"] for service in services.values() if "build" not in service}
    assert images <= set(IMAGES.values())
    assert {IMAGES["otelcol"], IMAGES["prometheus"], IMAGES["alertmanager"], IMAGES["tempo"]} <= images
