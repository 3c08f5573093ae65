"""The `bridge` service of docker-compose.yml as a process here: command, environment and health check as written."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from tests.cli.commands import run
from tests.stack.composed import Service, image_environment, probe, resolve
from tests.stack.exports import Reader, money, stats
from tools.history import Copy, last_time, plan, write_copy
from tools.stack.configured import LOOPBACK, local
from tools.stack.servers import Server, free_port
from tools.stack.stack import Stack
from tools.stack.stores import eventually

RUN = "2.1.329/basic"
COST = "coding_agent_cost_USD_total"
LISTED = {"coding_agent_call_source": '!="unrecorded"'}
INSIDE = "0.0.0.0:9465"
INSIDE_GRPC, INSIDE_HTTP = "0.0.0.0:4317", "0.0.0.0:4318"


class Bridge:
    """The service with addresses and folders of its own; what it sends goes to a stack that nobody else sends to."""

    def __init__(self, stack: Stack, folder: Path) -> None:
        self.stack = stack
        self.service: Service = resolve()["bridge"]
        self.transcripts = folder / "client" / "projects"
        self.port = scraped_port(stack)
        self.environment = own_environment(self.service, stack) | {
            "CLAUDE_CONFIG_DIR": str(self.transcripts.parent),
            "OTEL_BRIDGE_DATA_DIR": str(folder / "data"),
        }
        grpc_port, http_port = free_port(), free_port()
        self.grpc, self.http = local(grpc_port), f"http://{local(http_port)}"
        ports = {INSIDE: self.port, INSIDE_GRPC: grpc_port, INSIDE_HTTP: http_port}
        words = [f"0.0.0.0:{ports[word]}" if word in ports else word for word in self.service["command"]]
        self.url = f"http://{local(self.port)}"
        command = [sys.executable, "-m", "otel_bridge", *words]
        self.server = Server("bridge", command, folder, f"{self.url}/healthz", self.environment)

    def write_history(self) -> None:
        """Write three weeks of sessions that ended an hour ago."""
        for copy in plan(datetime.now(UTC) - timedelta(hours=1), days=21, copies=6):
            write_copy(copy, self.transcripts)

    def write_session(self, number: int) -> None:
        """Write one more, which has just ended."""
        shift = datetime.now(UTC) - last_time(RUN)
        write_copy(Copy(number, RUN, shift, "acme/widgets", 7, "feat/live"), self.transcripts)

    def told(self) -> dict[str, Any]:
        """Return what ``stats`` says of the transcripts themselves."""
        return stats(self.transcripts)

    def execute(self, *arguments: str) -> Any:
        """Return what a command prints as JSON beside the service, started as `docker compose exec` does."""
        done = run(*arguments, "--json", **self.environment)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def health(self) -> int:
        """Return the exit code of the health check."""
        return probe(self.service, {"http://localhost:9465": self.url})

    def cost_usd(self, expected: Decimal) -> Decimal:
        """Return what all sessions cost by Prometheus, as soon as it is what is expected."""
        reader = Reader(self.stack, "claude-code", time.time() + 600)
        last = reader.last(COST, **LISTED)
        return eventually(lambda: money(reader.total(last)), lambda value: value == expected, within_s=30)

    def model_calls(self, expected: int) -> int:
        """Return how many spans of model calls the trace store has, as soon as they are so many."""
        end_s = time.time() + 60
        return eventually(
            lambda: len(
                {
                    span.span_id
                    for span in self.stack.trace_store.spans("claude-code", end_s - 30 * 86_400, end_s)
                    if span.attributes.get("gen_ai.operation.name") == "chat"
                }
            ),
            lambda count: count == expected,
            within_s=30,
        )

    def scraped(self, series: str, expected: str) -> str | None:
        """Return a sum over what Prometheus scraped, as soon as it is what is expected: it asks twice a minute."""
        ask = f"sum({series})"
        return eventually(
            lambda: self.stack.metrics.value(ask, time.time()), lambda value: value == expected, within_s=90
        )


def scraped_port(stack: Stack) -> int:
    """Return where the shipped scrape configuration, its addresses replaced, expects the bridge."""
    jobs = yaml.safe_load(stack.metrics.ask("status/config")["yaml"])["scrape_configs"]
    ((target,),) = (job["static_configs"][0]["targets"] for job in jobs if job["job_name"] == "otel-bridge")
    return int(target.removeprefix(f"{LOOPBACK}:"))


def own_environment(service: Mapping[str, Any], stack: Stack) -> dict[str, str]:
    """Return the variables of the image and of a service, addresses of the collector replaced."""
    given = {name: value or "" for name, value in service["environment"].items()}
    replaced = {name: value.replace("http://collector:14318", stack.collector_http) for name, value in given.items()}
    assert replaced != given
    return image_environment() | replaced
