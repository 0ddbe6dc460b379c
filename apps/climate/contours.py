"""Filled contours as Vega specifications: values on a regular grid of cells, round levels, axes, a legend."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from clustermark.apps.climate.layout import Floats
from clustermark.core.errors import ClustermarkError

KINDS = ("svg", "png")
_SCALE = 2.0
_INK, _FONT = "#24292f", "sans-serif"
# About so many bands of colour.
_BANDS = 14
_LATITUDES = tuple(float(tick) for tick in range(-90, 91, 30))
_SIGMAS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Axis:
    """One axis: title, its ends at the first and last cell's outer edges (left or top first), ticks."""

    title: str
    begin: float
    end: float
    ticks: tuple[float, ...]


@dataclass(frozen=True)
class Picture:
    """A field to be drawn.

    Attributes
    ----------
    values : (rows, columns), the first row on top
    title, unit : above the picture and the legend
    across, down : axes of columns and rows
    width, height : [px]
    signed : colours go both ways from zero
    around : columns close on themselves, as longitudes do
    downward : rows go on beyond the ends of their axis in a straight line; else they mirror there, as at a pole
    """

    values: Floats
    title: str
    unit: str
    across: Axis
    down: Axis
    width: int
    height: int
    signed: bool = False
    around: bool = False
    downward: bool = False


def zonal_section(values: Floats, title: str, unit: str, signed: bool) -> Picture:
    """Zonal means over latitude, from south to north, and σ in even steps, the ground at the bottom."""
    return Picture(
        values=values,
        title=title,
        unit=unit,
        across=Axis("latitude [°]", -90.0, 90.0, _LATITUDES),
        down=Axis("σ", 0.0, 1.0, _SIGMAS),
        width=540,
        height=300,
        signed=signed,
        downward=True,
    )


def world_map(values: Floats, title: str, unit: str, west: float, east: float, signed: bool) -> Picture:
    """Values from south to north, north on top, between the longitudes of the first and the last edge [degrees]."""
    return Picture(
        values=values[::-1],
        title=title,
        unit=unit,
        across=Axis("longitude [°]", west, east, tuple(t for t in range(-180, 361, 60) if west - 1 < t < east + 1)),
        down=Axis("latitude [°]", 90.0, -90.0, _LATITUDES),
        width=640,
        height=320,
        signed=signed,
        around=True,
    )


def round_levels(low: float, high: float, signed: bool) -> list[float]:
    """Multiples of 1, 2, 2.5 or 5 times a power of ten that cut [low, high] into about 14 bands.

    Signed ones are as many below zero as above it, so that colours keep their meaning.
    """
    if signed:
        high = max(abs(low), abs(high))
        low = -high
    if not high > low:
        return [low]
    raw = (high - low) / _BANDS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Rounded to the step's own digits: legends show 0.3 and not 0.30000000000000004.
    return [float(f"{k * step:.10g}") for k in range(first, last + 1)]


def specification(picture: Picture) -> dict[str, Any]:
    """The Vega specification of filled contours: polygons of `isocontour`, painted from the lowest level up."""
    rows, columns = picture.values.shape
    cell = picture.width / columns, picture.height / rows
    levels = round_levels(float(picture.values.min()), float(picture.values.max()), picture.signed)
    padded = _padded(picture)
    colours = {"scheme": "redblue" if picture.signed else "viridis", "count": len(levels) + 1}
    grid = {"width": columns + 2, "height": rows + 2, "values": [float(f"{v:.6g}") for v in padded.ravel()]}
    return {
        "$schema": "https://vega.github.io/schema/vega/v5.json",
        "background": "#ffffff",
        "padding": 8,
        "width": picture.width,
        "height": picture.height,
        "title": {"text": picture.title, "anchor": "start", "color": _INK, "font": _FONT},
        "config": {"axis": {"labelFont": _FONT, "titleFont": _FONT, "labelColor": _INK, "titleColor": _INK}},
        "data": [
            {"name": "grid", "values": [grid]},
            {
                "name": "contours",
                "source": "grid",
                "transform": [
                    {
                        "type": "isocontour",
                        "thresholds": levels,
                        "scale": list(cell),
                        "translate": [-cell[0], -cell[1]],
                    }
                ],
            },
        ],
        "scales": [
            _scale("across", picture.across, "width"),
            _scale("down", picture.down, "height"),
            {"name": "colour", "type": "threshold", "domain": levels, "range": colours, "reverse": picture.signed},
        ],
        "axes": [_axis("across", "bottom", picture.across), _axis("down", "left", picture.down)],
        "legends": [
            {
                "type": "gradient",
                "fill": "colour",
                "title": picture.unit,
                "gradientLength": picture.height - 24,
                "labelFont": _FONT,
                "titleFont": _FONT,
                "labelColor": _INK,
                "titleColor": _INK,
            }
        ],
        "marks": [
            {
                "type": "rect",
                "encode": {
                    "enter": {
                        "width": {"signal": "width"},
                        "height": {"signal": "height"},
                        "fill": {"scale": "colour", "value": levels[0] - 1},
                    }
                },
            },
            {
                "type": "path",
                "clip": True,
                "from": {"data": "contours"},
                "encode": {
                    "enter": {
                        "fill": {"scale": "colour", "field": "contour.value"},
                        "stroke": {"value": _INK},
                        "strokeWidth": {"value": 0.3},
                    }
                },
                "transform": [{"type": "geopath", "field": "datum.contour"}],
            },
        ],
    }


def _padded(picture: Picture) -> Floats:
    """One more cell on each side: contours are then drawn up to the edges, and what is beyond is cut away."""
    wide = np.pad(picture.values, ((0, 0), (1, 1)), mode="wrap" if picture.around else "edge")
    if picture.downward and len(wide) > 1:
        return np.pad(wide, ((1, 1), (0, 0)), mode="reflect", reflect_type="odd")
    return np.pad(wide, ((1, 1), (0, 0)), mode="edge")


def _scale(name: str, axis: Axis, extent: str) -> dict[str, Any]:
    ends = [axis.begin, axis.end]
    return {"name": name, "type": "linear", "zero": False, "domain": ends, "range": [0, {"signal": extent}]}


def _axis(scale: str, side: str, axis: Axis) -> dict[str, Any]:
    return {
        "scale": scale,
        "orient": side,
        "title": axis.title,
        "values": list(axis.ticks),
        "domain": True,
        "zindex": 1,
    }


def drawn(picture: Picture, kind: str) -> bytes:
    """The picture as "svg" or "png". Raises ClustermarkError."""
    import vl_convert

    spec = specification(picture)
    try:
        if kind == "png":
            return vl_convert.vega_to_png(spec, scale=_SCALE)
        return vl_convert.vega_to_svg(spec).encode()
    except ValueError as error:
        raise ClustermarkError(f"picture '{picture.title}': cannot be drawn as {kind} ({error!s:.120})") from error


def evenly(values: Floats, places: Sequence[float], rows: int) -> Floats:
    """Rows at given places in [0, 1] (ascending), linearly interpolated to the middles of `rows` equal cells.

    Parameters
    ----------
    values : (places, columns)
    """
    wanted = (np.arange(rows) + 0.5) / rows
    return np.stack([np.interp(wanted, np.asarray(places), column) for column in values.T], axis=1)
