"""What a version of the client says of its calls, and how it counts them."""

from __future__ import annotations

from collections.abc import Mapping

from otel_bridge.sources.native.match import version_number
from tests.client_habits import STEPS, Step


class Words:
    """What there is to be heard from a version; newer ones say no less."""

    def __init__(self, version: str) -> None:
        self._version = version_number(version)

    @property
    def has_request_ids(self) -> bool:
        """Events name the request, and all tokens of the prompt."""
        return self._version >= (2, 1, 181)

    @property
    def asides(self) -> int:
        """How often it asks for something itself: always a summary, and a title when it is told to."""
        return 2 if self.has_request_ids else 1

    @property
    def tells_ends(self) -> bool:
        """The last line of a turn says that it is the last. Older ones may write it before the API has said so."""
        return self._version >= (2, 1, 181)

    @property
    def has_spans(self) -> bool:
        """There are spans (beta)."""
        return self._version >= (2, 1, 50)

    @property
    def has_lifetimes(self) -> bool:
        """Events say how long what is written to the cache lives there."""
        return self._version >= (2, 1, 329)

    @property
    def has_totals(self) -> bool:
        """Transcripts have the client's own total."""
        return self._version >= (2, 1, 329)

    @property
    def habits(self) -> Mapping[str, Step]:
        """How it counts and prices calls."""
        return STEPS[max((known for known in STEPS if version_number(known) <= self._version), key=version_number)]
