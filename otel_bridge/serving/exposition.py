"""Collectors → the text that a scraper asked for, small in memory however many series there are (pure)."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator

from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

_GZIP = 31
"""zlib's number for its longest window with gzip's head and tail."""
_PIECE_BYTES = 1 << 16
_END = b"# EOF\n"
"""Ends a page of OpenMetrics, and so every family that is encoded alone."""


_Encode = Callable[[Collector], bytes]


class Exposition:
    """A page of metrics, kept compressed: 2,000 sessions are two dozen megabytes of text."""

    def __init__(self, collectors: Iterable[Collector], accept: str) -> None:
        """Ask all collectors; ``accept`` is the header of that name."""
        encode, self.content_type = _encoder(accept)
        compressor = zlib.compressobj(1, wbits=_GZIP)
        pieces = []
        self.length_bytes = 0
        for text in _texts(collectors, encode):
            self.length_bytes += len(text)
            pieces.append(compressor.compress(text))
        self.gzip = b"".join((*pieces, compressor.flush()))

    def text(self) -> Iterator[bytes]:
        """Yield the page piece by piece."""
        decompressor = zlib.decompressobj(wbits=_GZIP)
        rest = self.gzip
        while not decompressor.eof:
            yield decompressor.decompress(rest, _PIECE_BYTES)
            rest = decompressor.unconsumed_tail


class _Alone:
    """A collector of one family, or of none."""

    def __init__(self, *families: Family) -> None:
        self._families = families

    def collect(self) -> Iterable[Family]:
        return self._families


def _encoder(accept: str) -> tuple[_Encode, str]:
    """Return what makes text of a collector, and the type of the text; plain text where nobody can tell what is asked.

    The library echoes what it was asked for, so line ends are taken out, and it trips over versions that are none.
    """
    try:
        return choose_encoder(" ".join(accept.split()))
    except (TypeError, ValueError):
        return choose_encoder("")


def _texts(collectors: Iterable[Collector], encode: _Encode) -> Iterator[bytes]:
    """Yield the text of each family, its head before the first part alone."""
    last = ""
    for collector in collectors:
        for family in collector.collect():
            text = encode(_Alone(family)).removesuffix(_END)
            yield _without_head(text) if family.name == last else text
            last = family.name
    yield encode(_Alone())


def _without_head(text: bytes) -> bytes:
    """Cut HELP and TYPE."""
    return text.split(b"\n", 2)[2]
