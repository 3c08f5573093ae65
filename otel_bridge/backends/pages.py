"""Reading the pages that servers show about themselves (I/O)."""

from __future__ import annotations

import re
import ssl
from collections.abc import Mapping
from typing import Self

import httpx2
from msgspec import Struct

from otel_bridge import __version__
from otel_bridge.backends.documents import Page
from otel_bridge.errors import UsageError

_TIMEOUT_S = 5.0
_LONGEST_PAGE_BYTES = 16 << 20
"""A configuration has some 50 KB."""


class Access(Struct, frozen=True):
    """What it takes to be let in; all of it may be empty."""

    headers: Mapping[str, str] = {}
    certificate: str = ""
    """Path of the certificates (PEM) to trust instead of the system's."""
    client_certificate: str = ""
    client_key: str = ""
    proxy: str = ""


ANYONE = Access()


class StatusPages:
    """The pages below one address."""

    def __init__(self, base_url: str, access: Access = ANYONE, *, timeout_s: float = _TIMEOUT_S) -> None:
        """Connect to nothing yet. UsageError if certificates or the proxy cannot be used."""
        self.base_url = base_url.rstrip("/")
        headers = {"user-agent": f"otel-bridge/{__version__}", **access.headers}
        try:
            self._client = httpx2.Client(
                headers=headers,
                timeout=timeout_s,
                verify=_trusted(self.base_url, access),
                proxy=access.proxy or None,
                trust_env=False,
            )
        except (ValueError, ImportError, OSError) as error:
            raise UsageError(f"the certificates or the proxy for {base_url} cannot be used: {error}") from None

    @property
    def place(self) -> str:
        """Return the address as it may be shown: without credentials and query."""
        return re.sub(r"//[^/]*@", "//", self.base_url).partition("?")[0]

    def get(self, path: str) -> Page:
        """Read one page; whatever goes wrong is said in the page."""
        try:
            with self._client.stream("GET", self.base_url + path) as response:
                if response.status_code != 200:
                    return Page(problem=f"{path} answers {response.status_code}")
                body = b""
                for part in response.iter_bytes():
                    body += part
                    if len(body) > _LONGEST_PAGE_BYTES:
                        return Page(problem=f"{path} is longer than {_LONGEST_PAGE_BYTES >> 20} MiB")
        except httpx2.TimeoutException:
            return Page(problem="no answer in time", is_answer=False)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            return Page(problem=str(error) or type(error).__name__, is_answer=False)
        return Page(body.decode("utf-8", "replace"))

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the connections."""
        self.close()


def _trusted(base_url: str, access: Access) -> ssl.SSLContext | bool:
    if not base_url.lower().startswith("https:"):
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used: loading the system's certificates takes 20 ms
    if not (access.certificate or access.client_certificate):
        return True
    context = ssl.create_default_context(cafile=access.certificate or None)
    if access.client_certificate:
        context.load_cert_chain(access.client_certificate, access.client_key)
    return context
