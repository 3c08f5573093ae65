"""Extracts as bytes, to be stored (pure)."""

from __future__ import annotations

import zlib

import msgspec

from otel_bridge.sources.transcript.assemble.extract import FileExtract

FORMAT = 2
"""First byte of a packed extract. A reader of another format cannot unpack it, and need not guess."""

_LEVEL = 1
"""Packs twice as small at 100 MB/s; the next levels gain a tenth and take twice as long (measured)."""

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(FileExtract).decode


class ForeignFormatError(ValueError):
    """The bytes were packed by a version whose extracts cannot be read any more."""


def pack(extract: FileExtract, *, is_fresh: bool = False) -> bytes:
    """Return an extract as bytes; one that is fresh at once, with a checksum but no smaller."""
    return bytes((FORMAT,)) + zlib.compress(_encode(extract), 0 if is_fresh else _LEVEL)


def unpack(data: bytes) -> FileExtract:
    """Return a packed extract.

    Raises:
        ForeignFormatError: the bytes are damaged or of another format.
    """
    try:
        if data[0] == FORMAT:
            return _decode(zlib.decompress(data[1:]))
    except (IndexError, zlib.error, msgspec.MsgspecError) as error:
        raise ForeignFormatError(f"not a packed extract: {error}") from error
    raise ForeignFormatError(f"packed in format {data[0]}, not {FORMAT}")


def unpack_all(stretches: list[bytes]) -> FileExtract:
    """Return neighbouring stretches of a file as one; an empty extract for none."""
    whole = FileExtract()
    for number, data in enumerate(stretches):
        stretch = unpack(data)
        if number:
            whole.extend(stretch)
        else:
            whole = stretch
    return whole
