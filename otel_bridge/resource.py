"""Who and where we are: resource attributes of the telemetry (asks the operating system)."""

from __future__ import annotations

import getpass
import socket
from collections.abc import Mapping
from urllib.parse import unquote

from otel_bridge import semconv
from otel_bridge.errors import UsageError
from otel_bridge.telemetry import AttributeValue


def resource_attributes(env: Mapping[str, str]) -> tuple[tuple[str, AttributeValue], ...]:
    """Return who and where we are, as resource attributes of spans and events.

    ``OTEL_RESOURCE_ATTRIBUTES`` and ``OTEL_SERVICE_NAME`` win over what is found out here.

    Raises:
        UsageError: ``OTEL_RESOURCE_ATTRIBUTES`` is not a list of ``key=value``.
    """
    found: dict[str, AttributeValue] = {
        semconv.HOST_NAME: socket.gethostname(),
        semconv.HOST_TYPE: host_type(env),
    }
    user = _user_name()
    if user:
        found[semconv.USER_NAME] = user
    found.update(_given_attributes(env.get("OTEL_RESOURCE_ATTRIBUTES", "")))
    if env.get("OTEL_SERVICE_NAME"):
        found[semconv.SERVICE_NAME] = env["OTEL_SERVICE_NAME"]
    return tuple(sorted(found.items()))


def host_type(env: Mapping[str, str]) -> str:
    """Return ``cloud``, ``cluster``, ``ci`` or ``local``, by the variables those places set."""
    if env.get("CLAUDE_CODE_REMOTE", "").lower() in ("1", "true"):
        return "cloud"
    if env.get("KUBERNETES_SERVICE_HOST"):
        return "cluster"
    if env.get("CI", "").lower() not in ("", "0", "false"):
        return "ci"
    return "local"


def _user_name() -> str | None:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user need not have a name
        return None


def _given_attributes(text: str) -> dict[str, str]:
    given = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, separator, value = part.partition("=")
        if not separator or not key.strip():
            raise UsageError(
                f"OTEL_RESOURCE_ATTRIBUTES has {part!r}; expected key=value pairs separated by commas,"
                " special characters percent-encoded"
            )
        given[unquote(key.strip())] = unquote(value.strip())
    return given
