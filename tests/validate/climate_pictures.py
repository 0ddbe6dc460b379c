"""Pictures of the climate's validation, from what its parts have kept: docs/images/climate-*.png."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from validate.climate_baroclinic import CELLS as WAVES
from validate.climate_measures import MAP_DAY
from validate.climate_shallow import FINEST, degrees

from clustermark.apps.climate.contours import Axis, Picture, drawn, world_map, zonal_section

Found = Mapping[str, Mapping[str, Any]]
_LONGITUDES = tuple(float(tick) for tick in range(0, 361, 60))
_JET_LATITUDES = (15.0, 30.0, 45.0, 60.0, 75.0)
# Rows of u and T in the means of the part `held_suarez`.
_WIND, _TEMPERATURE = 0, 1


def _northern(values: np.ndarray, title: str, unit: str, signed: bool = False) -> Picture:
    """A map of the latitudes 10° to 80° north."""
    rows = len(values)
    first, last = round(100 / 180 * rows), round(170 / 180 * rows)
    return Picture(
        values=values[first:last][::-1],
        title=title,
        unit=unit,
        across=Axis("longitude [°]", 0.0, 360.0, _LONGITUDES),
        down=Axis("latitude [°]", 80.0, 10.0, _JET_LATITUDES),
        width=720,
        height=240,
        signed=signed,
        around=True,
    )


def _zonal(document: Mapping[str, Any], row: int, title: str, unit: str, signed: bool) -> Picture:
    """Mean of all segments over latitude and σ, the ground at the bottom."""
    mean = np.mean([np.array(segment)[row] for segment in document["segments"]], axis=0)
    return zonal_section(mean, title, unit, signed)


def _height(case: str, day: int) -> Callable[[Found], Picture]:
    def picture(found: Found) -> Picture:
        values = np.array(found[case]["map"])
        title = f"{case.upper()} at {degrees(FINEST)}, day {day}: height of the surface"
        return world_map(values, title, "m", 0.0, 360.0, signed=False)

    return picture


def _vorticity(found: Found) -> Picture:
    values = 1e5 * np.array(found["galewsky"]["map"])
    return _northern(values, f"Galewsky's jet at {degrees(FINEST)}, day 6: vorticity", "10⁻⁵ 1/s", signed=True)


def _pressure(found: Found) -> Picture:
    cells = WAVES[-1]
    values = np.array(found[f"baroclinic_wave.{cells}"]["map"])
    return _northern(values, f"Baroclinic wave at {degrees(cells)}, day {MAP_DAY:.0f}: surface pressure", "hPa")


def _wind(found: Found) -> Picture:
    return _zonal(found["held_suarez"], _WIND, "Held–Suarez: mean eastward wind", "m/s", signed=True)


def _temperature(found: Found) -> Picture:
    return _zonal(found["held_suarez"], _TEMPERATURE, "Held–Suarez: mean temperature", "K", signed=False)


PICTURES: dict[str, Callable[[Found], Picture]] = {
    "climate-tc5": _height("tc5", 15),
    "climate-tc6": _height("tc6", 10),
    "climate-galewsky": _vorticity,
    "climate-baroclinic-wave": _pressure,
    "climate-held-suarez-wind": _wind,
    "climate-held-suarez-temperature": _temperature,
}


def draw(found: Found, folder: Path) -> list[Path]:
    """Write every picture; returns the files."""
    folder.mkdir(exist_ok=True)
    files = []
    for name, picture in PICTURES.items():
        file = folder / f"{name}.png"
        file.write_bytes(drawn(picture(found), "png"))
        files.append(file)
    return files
