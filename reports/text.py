"""Values and foreign strings as people read them, the same in every kind of report."""

import math
import unicodedata

from clustermark.core.stats import Estimate
from clustermark.core.summary import Metric, Row
from clustermark.core.units import format_bytes, format_quantity, prefixed

# Embeddings and overrides reorder the text that follows them, so a label could pass for another one.
_DIRECTION_CONTROLS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def plain(text: object) -> str:
    """One line without control characters: a label read from a file cannot drive a terminal or a page."""
    return "".join(_visible(character) for character in str(text))


def _visible(character: str) -> str:
    if character in "\n\r\t\u2028\u2029":
        return " "
    if character in _DIRECTION_CONTROLS or unicodedata.category(character) in ("Cc", "Cs"):
        return "\N{REPLACEMENT CHARACTER}"
    return character


def shown_interval(value: float, low: float, high: float, unit: str) -> str:
    """``"12.1 – 12.9"``: low and high in the prefix that `format_quantity` gives to `value`."""
    if not all(math.isfinite(number) for number in (value, low, high)):
        return "–"
    factor, _ = prefixed(value, unit)
    return f"{_digits(low / factor)} – {_digits(high / factor)}"


def _digits(value: float) -> str:
    """Three significant digits, and no exponent."""
    if not value:
        return "0"
    places = 2 - math.floor(math.log10(abs(value)))
    return f"{value:.{min(max(places, 0), 6)}f}"


def shown_time(time: Estimate | None) -> str:
    """Median time of a step, ``"–"`` where none was measured."""
    return format_quantity(time.value, "s") if time else "–"


def shown_metric(metric: Metric | None) -> str:
    """Value and unit, ``"–"`` where there is none."""
    return format_quantity(metric.value, metric.unit) if metric else "–"


def shown_percent(share: float | None) -> str:
    """``0.832`` → ``"83 %"``."""
    if share is None:
        return "–"
    if 0 < share < 0.001:
        return "< 0.1 %"
    return f"{share:.1%}".replace("%", " %") if share < 0.1 else f"{share:.0%}".replace("%", " %")


def shown_check(row: Row) -> str:
    """``"1.2e-16 ≤ 8.9e-16"``: the largest error found and the largest allowed."""
    if row.check is None:
        return "–"
    if row.check.passed:
        return f"{_short(row.check.error)} ≤ {_short(row.check.bound)}"
    sign = ">" if row.check.error > row.check.bound else "but bound"
    return f"{_short(row.check.error)} {sign} {_short(row.check.bound)}"


def _short(value: float) -> str:
    return f"{value:.2g}"


def spoken(name: str) -> str:
    """``"bus_bandwidth"`` → ``"bus bandwidth"``."""
    return plain(name).replace("_", " ")


def shown_param(name: str, value: object) -> str:
    """``"64 KiB"``, ``"n=512"``, ``"in place"`` or ``"not in place"``."""
    if isinstance(value, bool):
        return spoken(name) if value else f"not {spoken(name)}"
    if name == "bytes" and isinstance(value, int):
        return format_bytes(value)
    return f"{plain(name)}={plain(value)}"


def counted(number: int, noun: str) -> str:
    """``(1, "case")`` → ``"1 case"``, ``(3, "case")`` → ``"3 cases"``."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}{'es' if noun.endswith('ch') else 's'}"
