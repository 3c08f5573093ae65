"""Who may send: those who know the token, where there is one (pure)."""

from __future__ import annotations

import hmac

from otel_bridge.receiving.answers import Fault, Refusal

_SCHEME = "bearer "


class Guard:
    """Asks for a bearer token; without one of its own it lets everybody in."""

    def __init__(self, token: str) -> None:
        self._token = token.encode()

    def refusal(self, authorization: str) -> Refusal | None:
        """Say why the sender of this ``Authorization`` header, empty where there was none, may not send.

        The time it takes tells nothing about the token but its length.
        """
        if not self._token:
            return None
        if authorization[: len(_SCHEME)].lower() != _SCHEME:
            return Refusal(Fault.UNAUTHENTICATED, "this receiver wants the header `Authorization: Bearer TOKEN`")
        given = authorization[len(_SCHEME) :].strip().encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, self._token):
            return Refusal(Fault.UNAUTHENTICATED, "the bearer token is not the one of this receiver")
        return None
