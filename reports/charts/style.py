"""Colours, shapes, dashes and axes, the same in every chart.

The colours are Okabe and Ito's, the light ones darkened until each has a contrast of 3 : 1 to white paper and to a
dark page, so that one set serves both; shape and dash repeat what colour says.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Any
from zlib import crc32

from clustermark.core.precision import PRECISIONS

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#c678a4", "#b57f00", "#3f94c8", "#828282", "#9a6fd0")
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
DASHES = ([1, 0], [6, 3], [2, 2], [9, 3, 2, 3], [12, 4], [4, 2, 1, 2, 1, 2], [1, 4], [14, 3, 4, 3])

# Slots of the fabrics met most: a fabric keeps its colour from report to report, whatever stands beside it.
_FABRIC_SLOTS = {
    "ompi-sm-cma": 0,
    "ompi-tcp": 1,
    "mpich-shm-cma": 2,
    "mpich-ofi-tcp": 3,
    "ompi-sm-copy": 5,
    "mpich-shm-copy": 7,
    "self": 6,
}
_PRECISION_SLOTS = {name: slot for slot, name in enumerate(PRECISIONS)}

SIZE_LABEL = (
    "datum.value >= 1099511627776 ? datum.value / 1099511627776 + ' TiB' : "
    "datum.value >= 1073741824 ? datum.value / 1073741824 + ' GiB' : "
    "datum.value >= 1048576 ? datum.value / 1048576 + ' MiB' : "
    "datum.value >= 1024 ? datum.value / 1024 + ' KiB' : datum.value + ' B'"
)
TIME_LABEL = (
    "datum.value >= 0.9995 ? format(datum.value, '.3~r') + ' s' : "
    "datum.value >= 0.9995e-3 ? format(datum.value * 1e3, '.3~r') + ' ms' : "
    "datum.value >= 0.9995e-6 ? format(datum.value * 1e6, '.3~r') + ' µs' : format(datum.value * 1e9, '.3~r') + ' ns'"
)


def slots(names: Iterable[str], preferred: dict[str, int]) -> dict[str, int]:
    """A slot for every name: its own if it has one, else one that its spelling picks, the next where that is taken."""
    taken: dict[str, int] = {}
    for name in sorted(set(names), key=lambda name: (name not in preferred, preferred.get(name, 0), name)):
        slot = preferred.get(name, crc32(name.encode("utf-8", "replace")) % len(COLOURS))
        while slot in taken.values():
            slot = (slot + 1) % len(COLOURS) if len(taken) < len(COLOURS) else max(taken.values()) + 1
        taken[name] = slot
    return taken


def fabric_slots(fabrics: Iterable[str]) -> dict[str, int]:
    """Fabric → slot."""
    return slots(fabrics, _FABRIC_SLOTS)


def precision_slots(precisions: Iterable[str]) -> dict[str, int]:
    """Precision → slot, in the order of the precision table."""
    return slots(precisions, _PRECISION_SLOTS)


def colour(slot: int) -> str:
    """Colour of a slot; they repeat after the eighth, where the shape goes on changing."""
    return COLOURS[slot % len(COLOURS)]


def shape(slot: int) -> str:
    """Shape of a slot, shifted by one each time the colours repeat."""
    return SHAPES[(slot + slot // len(COLOURS)) % len(SHAPES)]


def dash(slot: int) -> list[int]:
    """Dash pattern of a slot."""
    return DASHES[(slot + slot // len(COLOURS)) % len(DASHES)]


def size_ticks(sizes: Iterable[float], most: int = 9) -> list[int]:
    """Powers of two over the sizes, every so many that at most `most` remain."""
    positive = [size for size in sizes if size > 0]
    first, last = math.floor(math.log2(min(positive))), math.ceil(math.log2(max(positive)))
    step = max(math.ceil((last - first + 1) / most), 1)
    return [2**power for power in range(first, last + 1, step)]


def decade_ticks(values: Iterable[float]) -> list[float]:
    """1, 10, 100 … over the values; 1, 2, 5, 10 … where they span less than three decades."""
    positive = [value for value in values if value > 0]
    first, last = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    digits = (1, 2, 5) if last - first <= 3 else (1,)
    return [float(f"{digit}e{power}") for power in range(first, last + 1) for digit in digits]


def scale_of(domain: Sequence[str], values: Sequence[Any]) -> Any:
    """A scale with explicit domain and range."""
    import altair as alt

    return alt.Scale(domain=list(domain), range=list(values))


def config(ink: str, font: str) -> dict[str, Any]:
    """Vega-Lite configuration for text and axes in one ink.

    Parameters
    ----------
    ink : a colour, or "currentColor" where the page decides
    font : CSS font family
    """
    return {
        "background": "transparent",
        "font": font,
        "padding": 8,
        "view": {"stroke": None},
        "axis": {
            "domainColor": ink,
            "domainOpacity": 0.45,
            "tickColor": ink,
            "tickOpacity": 0.45,
            "gridColor": ink,
            "gridOpacity": 0.11,
            "labelColor": ink,
            "labelOpacity": 0.85,
            "labelFontSize": 11,
            "labelLimit": 0,
            "titleColor": ink,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "titlePadding": 10,
            "titleLimit": 0,
        },
        "legend": {
            "labelColor": ink,
            "labelFontSize": 12,
            "labelLimit": 0,
            "titleColor": ink,
            "titleFontSize": 12,
            "titleFontWeight": "normal",
            "titleLimit": 0,
            "symbolBaseFillColor": ink,
            "symbolBaseStrokeColor": ink,
            "symbolSize": 110,
            "symbolStrokeWidth": 2,
        },
        "header": {"labelColor": ink, "labelFontSize": 12, "labelFontWeight": 600, "labelLimit": 0, "labelPadding": 8},
        "title": {
            "color": ink,
            "fontSize": 13,
            "fontWeight": 600,
            "anchor": "start",
            "frame": "group",
            "limit": 0,
            "offset": 12,
        },
        "text": {"color": ink, "fontSize": 11},
        "tick": {"color": ink},
        "rule": {"color": ink},
    }
