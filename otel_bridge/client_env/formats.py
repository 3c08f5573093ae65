"""The variables as shells, settings files, Kubernetes and GitHub Actions read them (pure)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from shlex import quote

from msgspec import Struct

from otel_bridge.client_env.places import Destination, Place
from otel_bridge.client_env.variables import ENDPOINT, HEADERS, RESOURCE_ATTRIBUTES, SWITCH, Variable

_SECRET = "otel-bridge-client"  # noqa: S105 - the name of a secret, not one

_FORWARDED = frozenset({
    SWITCH, "OTEL_METRICS_EXPORTER", "OTEL_LOGS_EXPORTER", "OTEL_EXPORTER_OTLP_PROTOCOL", ENDPOINT,
    HEADERS, "OTEL_METRIC_EXPORT_INTERVAL", "OTEL_LOGS_EXPORT_INTERVAL", RESOURCE_ATTRIBUTES,
})  # fmt: skip
"""What anthropics/claude-code-action hands on from the environment of its step (August 2026)."""

_DOWNWARD = (
    ("K8S_NAMESPACE_NAME", "metadata.namespace"),
    ("K8S_POD_NAME", "metadata.name"),
    ("K8S_POD_UID", "metadata.uid"),
    ("K8S_NODE_NAME", "spec.nodeName"),
)
_POD = (
    "k8s.namespace.name=$(K8S_NAMESPACE_NAME),k8s.pod.name=$(K8S_POD_NAME),k8s.pod.uid=$(K8S_POD_UID),"
    "k8s.node.name=$(K8S_NODE_NAME),service.instance.id=$(K8S_POD_UID)"
)
_RUN = (
    "cicd.pipeline.run.id=${{ github.run_id }}"
    "${{ github.event.pull_request.number && format(',vcs.change.id={0}', github.event.pull_request.number) || '' }}"
)


class Format(StrEnum):
    """Who is to read the variables."""

    SHELL = "shell"
    JSON = "json"
    DOTENV = "dotenv"
    KUBERNETES = "kubernetes"
    GITHUB = "github"


class Setup(Struct, frozen=True):
    """What is printed, and what it depends on."""

    place: Place
    to: Destination
    variables: Sequence[Variable]


def written(setup: Setup, form: Format) -> str:
    """Return the variables in a format, as text that ends with a newline."""
    return "".join(f"{line}\n" for line in _WRITERS[form](setup))


def settings_env(variables: Iterable[Variable]) -> dict[str, str]:
    """Return the variables as the ``env`` of a settings file has them."""
    return {variable.name: variable.value for variable in variables}


def _shell(setup: Setup) -> Iterable[str]:
    for variable in setup.variables:
        yield f"# {variable.why}"
        yield f"export {variable.name}={quote(variable.value)}"


def _json(setup: Setup) -> Iterable[str]:
    return json.dumps({"env": settings_env(setup.variables)}, indent=2).splitlines()


def _dotenv(setup: Setup) -> Iterable[str]:
    """Write no comments: docker would take them, GitHub's file of variables would not."""
    return [f"{variable.name}={variable.value}" for variable in setup.variables]


def _kubernetes(setup: Setup) -> Iterable[str]:
    """Write the ``env`` of a container. Variables that others refer to come first, as Kubernetes wants it."""
    yield "env:"
    yield "  # who this pod is: the client does not say it"
    for name, path in _DOWNWARD:
        yield f"  - name: {name}"
        yield f"    valueFrom: {{fieldRef: {{fieldPath: {path}}}}}"
    for variable in _with_attributes(setup, Place.POD, _POD):
        yield f"  # {variable.why}"
        yield f"  - name: {variable.name}"
        yield f"    value: {json.dumps(variable.value)}"
    if not setup.to.is_loopback:
        yield f"  # kubectl create secret generic {_SECRET} --from-literal=headers='authorization=Bearer%20…'"
        yield f"  - name: {HEADERS}"
        yield f"    valueFrom: {{secretKeyRef: {{name: {_SECRET}, key: headers, optional: true}}}}"


def _github(setup: Setup) -> Iterable[str]:
    """Write a step of a workflow: what the action forwards as variables, the rest as settings."""
    variables = _with_attributes(setup, Place.CI, _RUN)
    yield "- uses: anthropics/claude-code-action@v1"
    yield "  env:  # what the action hands on to the client"
    for variable in variables:
        if variable.name in _FORWARDED:
            yield f"    {variable.name}: {_yaml(variable.value)}  # {variable.why}"
    if not setup.to.is_loopback:
        yield f"    {HEADERS}: ${{{{ secrets.{HEADERS} }}}}  # such as authorization=Bearer%20…"
    yield "  with:"
    yield "    # what it does not hand on"
    yield "    settings: |"
    settings = {"env": settings_env(variable for variable in variables if variable.name not in _FORWARDED)}
    yield from (f"      {line}" for line in json.dumps(settings, indent=2).splitlines())


def _with_attributes(setup: Setup, place: Place, attributes: str) -> list[Variable]:
    """Return the variables with more resource attributes, which only this format can find out."""
    if setup.place is not place:
        return list(setup.variables)
    return [
        Variable(variable.name, f"{variable.value},{attributes}", variable.why)
        if variable.name == RESOURCE_ATTRIBUTES
        else variable
        for variable in setup.variables
    ]


def _yaml(value: str) -> str:
    """Quote a value; expressions of GitHub have single quotes in them."""
    return json.dumps(value)


_WRITERS: dict[Format, Callable[[Setup], Iterable[str]]] = {
    Format.SHELL: _shell,
    Format.JSON: _json,
    Format.DOTENV: _dotenv,
    Format.KUBERNETES: _kubernetes,
    Format.GITHUB: _github,
}
