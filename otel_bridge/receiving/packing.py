"""Bodies as they were packed for the way: unpacked within a limit, so that small ones cannot become huge (pure)."""

from __future__ import annotations

import zlib

import zstandard

from otel_bridge.receiving.answers import Fault, RefusalError

ENCODINGS = ("gzip", "deflate", "zstd")
_ZSTD_WINDOW_BYTES = 8 << 20
"""What every decoder of zstd must be able to keep (RFC 8878); frames may ask for gigabytes."""
_ZSTD_PIECE_BYTES = 1 << 10
"""At most 32 MiB come out of so little: a block of four bytes stands for 128 KiB."""
_MOST_MEMBERS = 16
"""Of gzip; each costs a copy of all that follows it."""


def unpacked(body: bytes, encoding: str, most_bytes: int) -> bytes:
    """Return the content of a body, by its ``Content-Encoding``.

    Raises:
        RefusalError: it is larger than ``most_bytes``, is damaged, or is packed in another way.
    """
    encoding = encoding.strip().lower()
    if encoding in ("", "identity"):
        return _checked(body, most_bytes)
    if encoding not in ENCODINGS:
        known = ", ".join(ENCODINGS)
        raise RefusalError(Fault.UNSUPPORTED, f"Content-Encoding {encoding[:40]!r} is not known here; known: {known}")
    try:
        if encoding == "zstd":
            return _checked(_from_zstd(body, most_bytes + 1), most_bytes)
        return _checked(_inflated(body, 31 if encoding == "gzip" else 15, most_bytes + 1), most_bytes)
    except (zlib.error, zstandard.ZstdError, EOFError) as error:
        raise RefusalError(Fault.BAD_DATA, f"the body is no sound {encoding}: {error}") from None


def _checked(content: bytes, most_bytes: int) -> bytes:
    if len(content) > most_bytes:
        raise RefusalError(Fault.TOO_LARGE, f"the body is larger than {most_bytes:,} bytes when unpacked")
    return content


def _inflated(body: bytes, window_bits: int, most_bytes: int) -> bytes:
    """Inflate all members, as gzip allows several; no more than ``most_bytes`` of them."""
    content, left = b"", body
    for _ in range(_MOST_MEMBERS):
        stream = zlib.decompressobj(window_bits)
        content += stream.decompress(left, most_bytes - len(content))
        left = stream.unused_data
        if len(content) >= most_bytes or (stream.eof and not left):
            return content
        if not stream.eof:
            raise EOFError("it ends too early")
    raise EOFError(f"it has more than {_MOST_MEMBERS} members")


def _from_zstd(body: bytes, most_bytes: int) -> bytes:
    """Decompress all frames, a little of the body at a time: what comes out of it has no limit of its own."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW_BYTES)
    stream, found, size = None, [], 0
    for start in range(0, len(body), _ZSTD_PIECE_BYTES):
        piece = body[start : start + _ZSTD_PIECE_BYTES]
        while piece:
            stream = stream or decompressor.decompressobj()
            found.append(stream.decompress(piece))
            size += len(found[-1])
            if size >= most_bytes:
                return b"".join(found)[:most_bytes]
            piece, stream = (stream.unused_data, None) if stream.eof else (b"", stream)
    if stream is not None:
        raise EOFError("it ends too early")
    return b"".join(found)
