"""Sizes, times and rates as people write them.

Binary prefixes for bytes (KiB = 1024 B), decimal ones for rates and times (SI).
"""

import math
import re

from clustermark.core.errors import UsageError, plain

_BINARY = {"": 1, "B": 1, "KIB": 2**10, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_BINARY |= {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"^\s*([0-9]+)\s*([A-Za-z]*)\s*$")


def parse_bytes(text: str, key: str) -> int:
    """A size such as ``"64KiB"`` in bytes.

    Parameters
    ----------
    text : digits and an optional suffix B, KiB, MiB, GiB, TiB (or K, M, G, T: the same)
    key : where the text stands, for the message

    Raises
    ------
    UsageError : anything else
    """
    match = _SIZE.match(text)
    factor = _BINARY.get(match.group(2).upper()) if match else None
    if match is None or factor is None or len(match.group(1)) > 19 or int(match.group(1)) * factor >= 2**63:
        raise UsageError(f"{key}: {plain(text)!r} is not a size; write a whole number of bytes such as 64KiB or 8B")
    return int(match.group(1)) * factor


def format_bytes(count: int) -> str:
    """``65536`` → ``"64KiB"``; a size that is no whole multiple keeps its bytes: ``"1000B"``."""
    for suffix, factor in (("TiB", 2**40), ("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if count >= factor and count % factor == 0:
            return f"{count // factor}{suffix}"
    return f"{count}B"


_LARGE = [(1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, "")]
_SMALL = [(1.0, ""), (1e-3, "m"), (1e-6, "µ"), (1e-9, "n")]


def prefixed(value: float, unit: str) -> tuple[float, str]:
    """Factor and prefixed unit in which `value`, to three digits, has one to three before the point.

    Times in ``"s"`` go down to nanoseconds; everything else goes up. Of a NaN or an infinity the smallest unit.
    """
    steps = _SMALL if unit == "s" else _LARGE
    factor, letter = steps[-1]
    if math.isfinite(value):
        rounded = abs(_three_digits(value))
        factor, letter = next((step for step in steps if rounded >= step[0]), steps[-1])
    return factor, letter + unit


def _three_digits(value: float) -> float:
    """Rounded first, so that 999.6 µs becomes 1.00 ms and not 1000 µs."""
    return float(f"{value:.2e}")


def format_quantity(value: float, unit: str) -> str:
    """A value with three significant digits and an SI prefix: ``(5.9e10, "flop/s")`` → ``"59.0 Gflop/s"``.

    Times in ``"s"`` take small prefixes (``"12.3 µs"``); a NaN is shown as ``"–"``.
    """
    if not math.isfinite(value):
        return "–"
    factor, shown_unit = prefixed(value, unit)
    scaled = _three_digits(value) / factor
    digits = 2 - math.floor(math.log10(abs(scaled))) if scaled else 2
    text = f"{scaled:.{max(digits, 0)}f}" if digits <= 6 else f"{scaled:.2e}"
    return f"{text} {shown_unit}".rstrip()
