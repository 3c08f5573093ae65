"""OTLP over HTTP, protobuf or JSON (I/O). Imported only to send: httpx2 takes 0.1 s to load."""

from __future__ import annotations

import ssl
import zlib
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import httpx2

from otel_bridge import __version__
from otel_bridge.errors import UsageError
from otel_bridge.sinks.otlp.answers import Answer, BadItems, Refused, Retry, TooLarge, accepted, error_text, short
from otel_bridge.sinks.otlp.config import Compression, OtlpConfig

_PHRASES = {status.value: status.phrase for status in HTTPStatus}

_GZIP_LEVEL = 1
"""Level 1 leaves a tenth of the bytes, level 6 an eleventh in two and a half times the time (measured on spans)."""

_RETRYABLE = frozenset({429, 502, 503, 504})
_ADVICE = {
    401: "check the credentials in OTEL_EXPORTER_OTLP_HEADERS",
    403: "check what the credentials in OTEL_EXPORTER_OTLP_HEADERS are allowed to do",
    404: "check the path of the endpoint, and that the receiver takes this signal",
    405: "check the path of the endpoint",
    407: "check the credentials of the proxy",
    415: "the receiver does not take this encoding: choose another OTEL_EXPORTER_OTLP_PROTOCOL",
}
"""Answers about us: no part of the request would fare better."""

_WEB_PAGES = (b"<!doctype", b"<html")
"""How a login page begins, whatever its content type says."""


class HttpTransport:
    """Posts requests to one URL over a pool of kept connections."""

    def __init__(self, config: OtlpConfig, content_type: str, connections: int) -> None:
        self._url = config.target.address
        self._timeout_s = config.timeout_s
        self._is_gzip = config.compression is Compression.GZIP
        headers = {"user-agent": f"otel-bridge/{__version__}", **config.headers, "content-type": content_type}
        if self._is_gzip:
            headers["content-encoding"] = "gzip"
        self._client = _open_client(config, headers, connections)

    def send(self, body: bytes) -> Answer:
        """Post a request once and classify the answer."""
        content = zlib.compress(body, _GZIP_LEVEL, wbits=31) if self._is_gzip else body
        try:
            response = self._client.post(self._url, content=content)
        except httpx2.TimeoutException:
            return Retry(f"no answer within {self._timeout_s:g} s")
        except (httpx2.UnsupportedProtocol, httpx2.LocalProtocolError, httpx2.InvalidURL) as error:
            return Refused(short(str(error)), "check the endpoint and the headers")
        except httpx2.RequestError as error:
            return _broken(error)
        return classified(response.status_code, response.headers, response.content)

    def close(self) -> None:
        """Close all connections."""
        self._client.close()


def classified(status: int, headers: Mapping[str, str], body: bytes) -> Answer:
    """Say what a response means, by the table of the OTLP specification. Headers are looked up in lower case."""
    content_type = headers.get("content-type", "")
    if 200 <= status < 300:
        return _taken(status, body, content_type)
    reason = _reason(status, error_text(body, content_type))
    if status in _RETRYABLE:
        return Retry(reason, _retry_after_s(headers))
    if status == 413:
        return TooLarge(reason)
    if 300 <= status < 400:
        return Refused(reason, f"set the endpoint to where it redirects: {headers.get('location', 'it does not say')}")
    if status in _ADVICE:
        return Refused(reason, _ADVICE[status])
    return BadItems(reason)


def _taken(status: int, body: bytes, content_type: str) -> Answer:
    if "html" in content_type or body.lstrip()[:9].lower().startswith(_WEB_PAGES):
        return Refused(f"{status} with a web page", "no OTLP receiver listens there: check host, port and path")
    return accepted(body, content_type)


def _reason(status: int, text: str) -> str:
    name = f"{status} {_PHRASES.get(status, '')}".rstrip()
    return f"{name}: {text}" if text else name


def _retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Read the wait asked for; a date against the server's own ``Date``, since its clock may differ from ours."""
    asked = headers.get("retry-after", "").strip()
    if asked.isdecimal():
        return float(asked)
    try:
        wait = parsedate_to_datetime(asked) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):  # none or no date; or only one of both names a zone
        return None
    return max(wait.total_seconds(), 0.0)


def _broken(error: Exception) -> Answer:
    """Say what a connection that failed means: worth another try, unless it is the certificate."""
    reason = short(str(error)) or type(error).__name__
    cause: BaseException | None = error
    while cause:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Refused(reason, "check OTEL_EXPORTER_OTLP_CERTIFICATE")
        cause = cause.__cause__ or cause.__context__
    return Retry(reason)


def _open_client(config: OtlpConfig, headers: dict[str, str], connections: int) -> httpx2.Client:
    try:
        return httpx2.Client(
            headers=headers,
            timeout=config.timeout_s,
            limits=httpx2.Limits(max_connections=connections, max_keepalive_connections=connections),
            verify=_tls(config),
            proxy=config.proxy or None,
            trust_env=False,
        )
    except (ValueError, ImportError) as error:  # a scheme it does not know, or SOCKS, which takes another package
        raise UsageError(f"the proxy {config.proxy!r} cannot be used: {error}") from None


def _tls(config: OtlpConfig) -> ssl.SSLContext | bool:
    """Trust the system's certificates unless told otherwise; show ours where we have one."""
    if not config.target.is_tls:
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # never used: loading the system's certificates takes 20 ms
    if not (config.certificate or config.client_certificate):
        return True
    try:
        context = ssl.create_default_context(cafile=config.certificate or None)
        if config.client_certificate:
            context.load_cert_chain(config.client_certificate, config.client_key)
    except OSError as error:  # includes ssl.SSLError
        names = ", ".join(filter(None, (config.certificate, config.client_certificate, config.client_key)))
        raise UsageError(f"the certificates of the OTLP endpoint cannot be read ({names}): {error}") from None
    return context
