"""A place for the client without any network and without this machine's settings: namespaces of its own (I/O)."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import struct
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tools.realclient.errors import CannotBeHadError, ClientError

_SIOCGIFFLAGS = 0x8913
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1
"""linux/sockios.h and linux/if.h."""

_MANAGED_SETTINGS = Path("/etc/claude-code")
"""Where an administrator's settings lie: they go before all others."""


def isolated(command: Sequence[str]) -> list[str]:
    """Return a command that runs another in a network and a mount namespace of its own.

    Raises:
        CannotBeHadError: there is no ``unshare``, or it is refused.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        raise CannotBeHadError("unshare is not on the PATH: it makes the namespaces the client runs in")
    refusals = []
    for flags in ("-nm", "-rnm") if os.geteuid() == 0 else ("-rnm",):
        answer = subprocess.run([unshare, flags, "true"], capture_output=True, text=True, check=False)
        if answer.returncode == 0:
            return [unshare, flags, *command]
        refusals.append(f"`unshare {flags}` is refused: {answer.stderr.strip()}")
    raise CannotBeHadError("; ".join(refusals))


def settle_in() -> None:
    """Make a new namespace a place to work in: loopback answers, settings of this machine are hidden.

    Raises:
        ClientError: this is no new namespace, where loopback is still down.
        subprocess.CalledProcessError: nothing may be mounted.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        answer = fcntl.ioctl(any_socket, _SIOCGIFFLAGS, _loopback_with(flags=0))
        (flags,) = struct.unpack("16xh14x", answer)
        if flags & _IFF_UP:
            raise ClientError("the client would run outside of a network namespace: start it by `isolated`")
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, _loopback_with(flags=flags | _IFF_UP))
    if _MANAGED_SETTINGS.exists():
        subprocess.run(["mount", "-t", "tmpfs", "tmpfs", str(_MANAGED_SETTINGS)], check=True)


def _loopback_with(flags: int) -> bytes:
    """Return a ``struct ifreq``."""
    return struct.pack("16sh14x", b"lo", flags)
