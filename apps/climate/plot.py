"""Pictures of a run: zonal-mean wind and temperature over latitude and σ, and a map."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from clustermark.apps.climate.contours import KINDS, Picture, drawn, evenly, world_map, zonal_section
from clustermark.apps.climate.layout import Floats
from clustermark.apps.climate.netcdf import LAT_LON, ZONAL
from clustermark.apps.climate.schedule import DAY
from clustermark.apps.console.files import damaged, prepare_folder, write_file
from clustermark.core.errors import UsageError, nearest, plain

# Zonal means that are drawn where a file has them: variable → end of the picture's name, title, signed.
ZONAL_MEANS: dict[str, tuple[str, str, bool]] = {
    "u_east": ("zonal_wind", "Zonal-mean eastward wind", True),
    "temperature": ("zonal_temperature", "Zonal-mean temperature", False),
}
# CF unit → as people write it.
_UNITS = {"m s-1": "m/s", "s-1": "1/s", "Pa s-1": "Pa/s", "1": ""}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# Rows of a σ–latitude picture whose levels are not evenly spaced.
_EVEN_ROWS = 50


@dataclass(frozen=True)
class _Field:
    """Time mean of a variable, its unit and the days it is of, in words."""

    values: Floats
    unit: str
    days: str


def plot(
    source: Path, folder: Path | None, days: Sequence[float] | None, chosen: str | None, overwrite: bool
) -> list[Path]:
    """Draw zonal means and a map as SVG and PNG.

    Parameters
    ----------
    source : netCDF file of a run, finished or growing
    folder : of the pictures, None: that of the file; they are called <file>_<what>.svg and .png
    days : first and last day of the mean; None: the last frame
    chosen : field of the map; None: pressure, height, or vorticity of the jet
    overwrite : replace pictures that exist

    Returns
    -------
    the files written

    Raises
    ------
    UsageError : no file of a run, no frames in those days, no such field
    StoreError : the disk is full
    """
    pictures = damaged(source, "netCDF file of the climate model", lambda: _pictures(source, days, chosen))
    target = folder if folder is not None else source.parent
    names = {f"{source.stem}_{what}.{kind}": (picture, kind) for what, picture in pictures.items() for kind in KINDS}
    prepare_folder(target, list(names), overwrite)
    for name, (picture, kind) in names.items():
        write_file(target / name, drawn(picture, kind))
    return [target / name for name in names]


def _pictures(source: Path, days: Sequence[float] | None, chosen: str | None) -> dict[str, Picture]:
    with _opened(source) as file:
        where = plain(str(source), 200)
        frames = _frames(file, days, where)
        found: dict[str, Picture] = {}
        for name, (what, title, signed) in ZONAL_MEANS.items():
            if name + ZONAL in file and file[name + ZONAL].ndim == 3:
                field = _mean(file, name + ZONAL, frames, where)
                found[what] = _zonal(field, title, signed, file["sigma"][()])
        name = _map_name(file, chosen, where)
        if name:
            found[f"map_{name}"] = _map(file, name, frames, where)
        if not found:
            raise UsageError(f"{where}: has neither zonal means on levels nor maps; run with output.lat_lon = true")
        return found


@contextlib.contextmanager
def _opened(source: Path) -> Iterator[Any]:
    """The file, of a run of ours. Raises UsageError, and whatever h5py makes of damage."""
    with h5py.File(source, "r", locking=False) as file:
        if not {"time", "step", "lat", "latitude"} <= set(file) or "input" not in file.attrs:
            raise ValueError("it has no frames of ours")
        yield file


def _frames(file: Any, days: Sequence[float] | None, where: str) -> Any:
    """Indices of the frames to draw."""
    times = np.asarray(file["time"][()]) / DAY
    if len(times) == 0:
        raise UsageError(f"{where}: has no frame yet; wait for the first output of the run")
    if days is None:
        return np.array([len(times) - 1])
    first, last = days
    inside = np.flatnonzero((times >= first - 1e-9) & (times <= last + 1e-9))
    if len(inside) == 0:
        raise UsageError(
            f"--days {first:g} {last:g}: {where} has no frame then; it has days {times[0]:g} to {times[-1]:g}"
        )
    return inside


def _mean(file: Any, name: str, frames: Any, where: str) -> _Field:
    dataset = file[name]
    total = np.zeros(dataset.shape[1:])
    for frame in frames:
        total += dataset[int(frame)]
    if not np.isfinite(total).all():
        raise UsageError(f"{where}: {name} has gaps: the folder of parts beside the file is not complete; copy both")
    times = file["time"][()] / DAY
    first, last = times[frames[0]], times[frames[-1]]
    text = f"day {first:g}" if len(frames) == 1 else f"mean of {len(frames)} frames, days {first:g} to {last:g}"
    return _Field(total / len(frames), _text(dataset.attrs["units"]), text)


def _zonal(field: _Field, title: str, signed: bool, sigma: Floats) -> Picture:
    levels = len(field.values)
    even = np.allclose(sigma, (np.arange(levels) + 0.5) / levels, atol=1e-6)
    values, unit = _readable(field.values, field.unit)
    section = values if even else evenly(values, sigma.tolist(), _EVEN_ROWS)
    return zonal_section(section, f"{title}, {field.days}", unit, signed)


def _map_name(file: Any, chosen: str | None, where: str) -> str:
    maps = [name.removesuffix(LAT_LON) for name in file if name.endswith(LAT_LON)]
    if chosen is not None:
        if chosen not in maps:
            raise UsageError(f"--map {plain(chosen)}: {where} has no such map{nearest(chosen, maps)}; choose another")
        return chosen
    case = str(json.loads(_text(file.attrs["input"])).get("case", ""))
    wanted = ("vorticity",) if case.startswith("galewsky") else ("ps", "surface", "h")
    return next((name for name in wanted if name in maps), maps[0] if maps else "")


def _map(file: Any, name: str, frames: Any, where: str) -> Picture:
    """A map with north on top; of fields with levels the lowest."""
    field = _mean(file, name + LAT_LON, frames, where)
    values = field.values[-1] if field.values.ndim == 3 else field.values
    title = _text(file[name + LAT_LON].attrs["long_name"])
    level = ", lowest level" if field.values.ndim == 3 else ""
    lon = file["lon"][()]
    half = 0.5 * float(lon[1] - lon[0])
    # Rounded: an edge at 1e-14 would hide the tick at 0.
    begin, end = round(float(lon[0]) - half, 9), round(float(lon[-1]) + half, 9)
    values, unit = _readable(values, field.unit)
    shown = f"{title[:1].upper()}{title[1:]}{level}, {field.days}"
    return world_map(values, shown, unit, begin, end, signed=bool(values.min() < 0 < values.max()))


def _readable(values: Floats, unit: str) -> tuple[Floats, str]:
    """Values and unit as people read them: hPa, m/s, and powers of a thousand of what is small or large."""
    if unit == "Pa":
        values, unit = values / 100, "hPa"
    shown = _UNITS.get(unit, unit)
    peak = float(np.abs(values).max())
    if peak == 0 or 0.1 <= peak < 1e5:
        return values, shown
    power = 3 * math.floor(math.log10(peak) / 3)
    return values / 10.0**power, f"10{str(power).translate(_RAISED)} {shown}"


def _text(attribute: Any) -> str:
    return attribute.decode() if isinstance(attribute, bytes) else str(attribute)
