"""docker-compose.yml as compose's own parser resolves it, and what its services would run."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.stack.built import built
from tools.stack.programs import SOURCES

ROOT = SOURCES.parents[1]
FILE = ROOT / "docker-compose.yml"
PASSWORD = "correct horse"
TOKEN = "battery staple"
SECRETS = {"GRAFANA_ADMIN_PASSWORD": PASSWORD, "OTEL_BRIDGE_RECEIVE_TOKEN": TOKEN}

Service = dict[str, Any]


def compose(*arguments: str, file: Path = FILE, **env: str) -> subprocess.CompletedProcess[str]:
    """Run compose's parser with nothing in the environment but what is given."""
    return subprocess.run(
        [str(built("docker-compose")), "--project-directory", str(ROOT), "--file", str(file), *arguments],
        cwd=ROOT,
        env={"HOME": "/home/dev", "PATH": os.environ["PATH"], "COMPOSE_DISABLE_ENV_FILE": "1", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def resolve(**env: str) -> dict[str, Service]:
    """Return the services of all profiles as they would run."""
    done = compose("--profile", "*", "config", "--format", "json", **SECRETS | env)
    assert (done.returncode, done.stderr) == (0, "")
    services: dict[str, Service] = json.loads(done.stdout)["services"]
    return services


def published(service: Service) -> Iterator[tuple[str, int]]:
    """Yield address and port of this machine for each port of a service."""
    for port in service.get("ports", []):
        yield port.get("host_ip", "everywhere"), int(port["published"])


def binds(service: Service) -> list[Service]:
    """Return what a service sees of this machine."""
    return [volume for volume in service.get("volumes", []) if volume["type"] == "bind"]


def volumes(service: Service) -> dict[str, str]:
    """Return the folder of each named volume of a service."""
    return {each["source"]: each["target"] for each in service.get("volumes", []) if each["type"] == "volume"}


def image_environment() -> dict[str, str]:
    """Return the variables that the Dockerfile gives to what runs, but for ``PATH``."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ")
    (line,) = re.findall(r"^ENV (PATH=.*)$", text, re.MULTILINE)
    pairs = (word.split("=", 1) for word in line.split())
    return {name: value for name, value in pairs if name != "PATH"}


def probe(service: Service, addresses: Mapping[str, str]) -> int:
    """Run a health check with other addresses and return its exit code."""
    kind, program, *arguments = service["healthcheck"]["test"]
    assert kind == "CMD"
    for old, new in addresses.items():
        arguments = [argument.replace(old, new) for argument in arguments]
    command = [program if program == "python" else str(built(program)), *arguments]
    return subprocess.run(command, capture_output=True, timeout=30, check=False).returncode
