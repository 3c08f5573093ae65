"""The checksum of what was read."""

from __future__ import annotations

import subprocess
import sys
import zlib

from hypothesis import given
from hypothesis import strategies as st

from otel_bridge.sources.transcript.crc import crc32


@given(st.binary(max_size=4096), st.integers(min_value=0, max_value=2**32 - 1))
def test_it_is_the_sum_that_zlib_gives(data: bytes, before: int) -> None:
    """An index stays good when another system, or an older version, goes on with it."""
    assert crc32(data, before) == zlib.crc32(data, before)


def test_zlib_takes_its_place_where_it_cannot_be_had() -> None:
    """Systems without a wheel of it read as well, a little slower."""
    program = """
import sys
sys.modules["isal"] = None
import zlib
from otel_bridge.sources.transcript.crc import crc32
print(crc32 is zlib.crc32)
"""
    ran = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert ran.stdout == "True\n"
