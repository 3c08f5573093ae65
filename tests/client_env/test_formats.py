from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
import yaml

from otel_bridge.client_env.formats import Format, Setup, written
from otel_bridge.client_env.places import Place, destination
from otel_bridge.client_env.variables import client_variables

REMOTE = "https://otel.example.com"


def setup(place: Place, endpoint: str | None = None) -> Setup:
    """Return what is printed for a place."""
    to = destination(endpoint, None)
    return Setup(place, to, client_variables(place, to))


def expected(of: Setup) -> dict[str, str]:
    """Return the variables by name."""
    return {variable.name: variable.value for variable in of.variables}


@pytest.mark.skipif(sys.platform == "win32", reason="asks a POSIX shell")
def test_a_shell_takes_them() -> None:
    """Evaluated, they are what was meant, whatever characters an endpoint has; each reason is a comment."""
    of = setup(Place.LAPTOP, "https://h/a'b$c")
    text = written(of, Format.SHELL)
    shown = subprocess.run(["sh", "-c", f"{text}env"], env={}, capture_output=True, check=True, text=True).stdout
    assert expected(of).items() <= dict(line.split("=", 1) for line in shown.splitlines()).items()
    assert text.count("# ") == len(of.variables)


def test_json_is_a_settings_file() -> None:
    """To be merged into one."""
    of = setup(Place.CI)
    assert json.loads(written(of, Format.JSON)) == {"env": expected(of)}


def test_dotenv_has_nothing_but_variables() -> None:
    """GitHub's file of variables refuses comments."""
    of = setup(Place.CI)
    assert dict(line.split("=", 1) for line in written(of, Format.DOTENV).splitlines()) == expected(of)


def test_a_pod_says_who_it_is() -> None:
    """By the downward API: what the attributes refer to comes before them; pod and instance are on the resource."""
    entries = yaml.safe_load(written(setup(Place.POD), Format.KUBERNETES))["env"]
    names = [entry["name"] for entry in entries]
    attributes = next(entry["value"] for entry in entries if entry["name"] == "OTEL_RESOURCE_ATTRIBUTES")
    for name, path in (("K8S_POD_NAME", "metadata.name"), ("K8S_POD_UID", "metadata.uid")):
        assert names.index(name) < names.index("OTEL_RESOURCE_ATTRIBUTES")
        assert entries[names.index(name)]["valueFrom"] == {"fieldRef": {"fieldPath": path}}
    assert "k8s.pod.name=$(K8S_POD_NAME)" in attributes
    assert attributes.endswith("service.instance.id=$(K8S_POD_UID)")
    assert all(isinstance(entry.get("value", ""), str) for entry in entries)
    assert "OTEL_EXPORTER_OTLP_HEADERS" not in names


def test_credentials_come_from_a_secret() -> None:
    """Only where the receiver is another machine; without the secret the pod starts all the same."""
    (entry,) = (
        entry
        for entry in yaml.safe_load(written(setup(Place.POD, REMOTE), Format.KUBERNETES))["env"]
        if entry["name"] == "OTEL_EXPORTER_OTLP_HEADERS"
    )
    assert entry["valueFrom"]["secretKeyRef"]["optional"] is True


def github_step(of: Setup) -> dict[str, Any]:
    """Return the step, read as YAML."""
    (step,) = yaml.safe_load(written(of, Format.GITHUB))
    assert isinstance(step, dict)
    return step


def test_a_workflow_has_all_variables_in_two_places() -> None:
    """What claude-code-action hands on is in its environment, all else in its settings, and nothing in both."""
    of = setup(Place.CI, REMOTE)
    step = github_step(of)
    forwarded, handed_over = step["env"], json.loads(step["with"]["settings"])["env"]
    assert set(forwarded) | set(handed_over) == {*expected(of), "OTEL_EXPORTER_OTLP_HEADERS"}
    assert set(forwarded) & set(handed_over) == set()
    assert handed_over["CLAUDE_CODE_ENHANCED_TELEMETRY_BETA"] == "1"
    assert handed_over["OTEL_TRACES_EXPORTER"] == "otlp"
    assert forwarded["OTEL_EXPORTER_OTLP_HEADERS"] == "${{ secrets.OTEL_EXPORTER_OTLP_HEADERS }}"
    assert "cicd.pipeline.run.id=${{ github.run_id }}" in forwarded["OTEL_RESOURCE_ATTRIBUTES"]
