"""A real client and a place to run it in, or why a test cannot have them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar

import pytest

from tools.realclient.errors import CannotBeHadError, ClientError
from tools.realclient.install import client_command
from tools.realclient.isolation import isolated

T = TypeVar("T")


def client_in_isolation(version: str, *module: str) -> list[str]:
    """Return a command that runs a module of ours in namespaces of its own, with what starts the client at its end.

    The test is skipped where this machine cannot have one of both. With ``CI=true`` that is only where there is no npm
    or no registry, and where namespaces are refused; everything else fails it.
    """
    return obtained(lambda: isolated([*module, *client_command(version)]))


def obtained(get: Callable[[], T]) -> T:
    """Return what can be had on this machine, else skip or fail the test with the reason."""
    try:
        return get()
    except CannotBeHadError as error:
        pytest.skip(f"this machine cannot have it: {error}")
    except ClientError as error:
        if os.environ.get("CI") == "true":
            pytest.fail(str(error))
        pytest.skip(str(error))
