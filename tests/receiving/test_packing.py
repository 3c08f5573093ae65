"""Bodies are unpacked within a limit, and damaged ones are never taken for whole ones."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
import zstandard

from otel_bridge.receiving.answers import Fault, RefusalError
from otel_bridge.receiving.packing import unpacked

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.compress,
}
PACKED = pytest.mark.parametrize("encoding", PACKERS)


def fault(body: bytes, encoding: str, most: int = 1000) -> Fault:
    with pytest.raises(RefusalError) as refused:
        unpacked(body, encoding, most)
    return refused.value.refusal.fault


@PACKED
def test_what_was_packed_comes_out(encoding: str) -> None:
    """To the last byte, up to the limit and not beyond it; names in any case."""
    content = bytes(range(250)) * 4
    packed = PACKERS[encoding](content)
    assert unpacked(packed, encoding.upper(), 1000) == content
    assert fault(packed, encoding, 999) is Fault.TOO_LARGE


@PACKED
def test_a_bomb_ends_at_the_limit(encoding: str) -> None:
    """A kilobyte that stands for many megabytes is no more than the limit says."""
    assert fault(PACKERS[encoding](bytes(50_000_000)), encoding) is Fault.TOO_LARGE


@PACKED
def test_a_body_that_ends_too_early_is_bad(encoding: str) -> None:
    """Wherever it was cut."""
    packed = PACKERS[encoding](bytes(range(250)) * 3)
    assert {fault(packed[:length], encoding) for length in range(1, len(packed))} == {Fault.BAD_DATA}


@PACKED
def test_what_was_never_packed_is_bad(encoding: str) -> None:
    """The sentence names the encoding."""
    assert fault(b"\x0a\x00 and more", encoding) is Fault.BAD_DATA


@pytest.mark.parametrize("encoding", ["gzip", "zstd"])
def test_several_members_are_one_body(encoding: str) -> None:
    """As the formats have it; but not thousands of them, where each costs a copy."""
    assert unpacked(PACKERS[encoding](b"a") * 3, encoding, 1000) == b"aaa"
    assert fault(gzip.compress(b"") * 1000, "gzip") is Fault.BAD_DATA


@pytest.mark.parametrize("encoding", ["br", "gzip, gzip", "x" * 1000])
def test_other_encodings_are_not_supported(encoding: str) -> None:
    """Not even twice the same."""
    assert fault(b"", encoding) is Fault.UNSUPPORTED


@pytest.mark.parametrize("encoding", ["", "identity"])
def test_what_is_not_packed_stays(encoding: str) -> None:
    """The very same object."""
    body = b"x" * 1000
    assert unpacked(body, encoding, 1000) is body
