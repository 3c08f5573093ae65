"""How values of the model look in a cell of a table, and back (pure)."""

from __future__ import annotations

from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, ROUND_HALF_EVEN, Context, Decimal
from urllib.parse import quote, unquote_to_bytes

_EXACT = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
_PUSD_DIGITS = 12
_MOST = (1 << 63) - 1
_NO_TEXT = "file:"


def to_pusd(amount_usd: Decimal) -> int:
    """Return an amount in picodollars (1e-12 USD), exact for every price of the table.

    A few third-party prices are binary fractions: what is finer is rounded half to even.
    """
    if amount_usd and amount_usd.adjusted() > _PUSD_DIGITS:  # 1e999999 has too many digits to be written out
        return fitting(-_MOST - 1 if amount_usd < 0 else _MOST + 1)
    scaled = _EXACT.scaleb(amount_usd, _PUSD_DIGITS)
    return fitting(int(scaled.to_integral_value(ROUND_HALF_EVEN, _EXACT)))


def from_pusd(amount_pusd: int) -> Decimal:
    """Return picodollars (1e-12 USD) in USD, exact."""
    return _EXACT.scaleb(Decimal(amount_pusd), -_PUSD_DIGITS)


def fitting(number: int) -> int:
    """Return the number, or the nearest one SQLite holds; in picodollars these are 9.2 million USD, which is damage."""
    return number if -_MOST <= number <= _MOST else _MOST if number > 0 else -_MOST


def path_cell(path: str) -> str:
    """Return a path as a text UTF-8 can hold; ``file:`` and percent signs for one whose bytes are no text."""
    if path.isascii():
        return path
    try:
        path.encode()
    except UnicodeEncodeError:
        return _NO_TEXT + quote(path.encode("utf-8", "surrogateescape"))
    return path


def cell_path(cell: str) -> str:
    """Return the path of a cell, as ``os.fsdecode`` gives it."""
    if not cell.startswith(_NO_TEXT):
        return cell
    return unquote_to_bytes(cell.removeprefix(_NO_TEXT)).decode("utf-8", "surrogateescape")


def storable(text: str) -> str:
    r"""Return a text UTF-8 can hold: bytes of a file name that are no text become ``\udcNN``."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
