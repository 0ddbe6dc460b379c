"""Fields as CF netCDF-4, written through HDF5: panels, zonal means, and a latitude–longitude map, frame by frame.

The file is a `GrowingFile`: readable while it grows and after a kill. What makes HDF5 netCDF-4 are numbered dimension
scales (`_Netcdf4Dimid`), text attributes of fixed length, and one unlimited dimension (netCDF User's Guide, appendix
"File format specifications"; CF Conventions 1.10 for the attributes).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from clustermark import __version__
from clustermark.apps.climate.engine import Look, Output
from clustermark.apps.climate.layout import Array, Floats
from clustermark.apps.console.growing_file import H5, GrowingFile, Make, Series

# An ideal planet has no date; the calendar is one that every reader knows.
TIME_UNITS = "seconds since 2000-01-01 00:00:00"
CALENDAR = "proleptic_gregorian"
ZONAL, LAT_LON = "_zonal_mean", "_lat_lon"
_NO_VARIABLE = "This is a netCDF dimension but not a netCDF variable."

# Facts of `Look` in every frame: name → long name, units for primitive equations, units for shallow water.
FACTS: dict[str, tuple[str, str, str]] = {
    "mass": ("mass of the air; shallow water: volume", "kg", "m3"),
    "energy": ("total energy; shallow water: divided by the density", "J", "m5 s-2"),
    "raw_mass_drift": ("relative change of mass by the dynamics alone since the start", "1", "1"),
    "fixer_work": ("relative mass that the fixer added since the start", "1", "1"),
    "courant": ("largest Courant number", "1", "1"),
}


@dataclass(frozen=True)
class Places:
    """Where the values of a file stand.

    Attributes
    ----------
    latitude, longitude : (2, rows, columns) true places of cell centres [degrees]
    sigma : (levels,) σ of full levels, top first; None for shallow water
    lat : (bands,) latitudes of zonal means and of the map [degrees]
    lon : longitudes of the map [degrees]; None where there is no map
    """

    latitude: Floats
    longitude: Floats
    sigma: Floats | None
    lat: Floats
    lon: Floats | None


class FieldFile:
    """Writes frames of all fields; used on one rank."""

    def __init__(
        self, path: Path, places: Places, outputs: Mapping[str, Output], about: Mapping[str, str], seconds: float = 5.0
    ) -> None:
        """Replace what is at `path`.

        Parameters
        ----------
        outputs : name → description of the fields that every frame has
        about : attributes of the file, such as title and references
        seconds : frames wait at most so long, if another one comes, before they are on the disk
        """
        self._places, self._outputs, self._about = places, dict(outputs), dict(about)
        self._looks: list[Look] = []
        self._kinds = ("", ZONAL) if places.lon is None else ("", ZONAL, LAT_LON)
        sizes = self._sizes()
        series = {
            name + kind: Series(tuple(sizes[axis] for axis in self._axes(output, kind)), "f4", unlimited=True)
            for name, output in self._outputs.items()
            for kind in self._kinds
        }
        remedy = "free space, then copy both"
        self._file = GrowingFile(path, series, self._fill, remedy, seconds)

    def write(self, look: Look, fields: Mapping[str, Array]) -> None:
        """Add a frame.

        Parameters
        ----------
        look : facts of the step
        fields : name → (2, [levels,] rows, columns), and with `ZONAL` and `LAT_LON` behind the name ([levels,] lat)
            and ([levels,] lat, lon)

        Raises
        ------
        StoreError : it was time to flush and the disk is full; frames flushed before stay
        """
        native = {
            # Files have levels before panels, as xarray users slice them.
            name: np.moveaxis(fields[name], 0, 1) if output.dimensions == 3 else fields[name]
            for name, output in self._outputs.items()
        }
        self._looks.append(look)
        self._file.add({**fields, **native})

    def flush(self) -> None:
        """Put all frames so far on the disk. Raises StoreError."""
        self._file.flush()

    def close(self) -> None:
        """Flush and make one ordinary file. Raises StoreError; file and parts are then as readable as before."""
        self._file.close()

    def _sizes(self) -> dict[str, int]:
        """Dimension → length; of time, the frames so far."""
        places = self._places
        _, rows, columns = places.latitude.shape
        sizes = {"time": len(self._looks), "panel": 2, "y": rows, "x": columns, "lat": len(places.lat)}
        if places.sigma is not None:
            sizes["sigma"] = len(places.sigma)
        if places.lon is not None:
            sizes["lon"] = len(places.lon)
        return sizes

    def _axes(self, output: Output, kind: str) -> tuple[str, ...]:
        """Dimensions of a field behind time."""
        levels = ("sigma",) if output.dimensions == 3 else ()
        return levels + {"": ("panel", "y", "x"), ZONAL: ("lat",), LAT_LON: ("lat", "lon")}[kind]

    def _fill(self, file: H5, make: Make) -> None:
        """Everything of the netCDF file; the fields are made by `make`."""
        about = {
            "Conventions": "CF-1.10",
            **self._about,
            "source": f"clustermark {__version__}, Yin-Yang climate model",
        }
        _describe(file, {"_NCProperties": f"version=2,h5py={h5py.version.version},hdf5={h5py.version.hdf5_version}"})
        _describe(file, about)
        scales = self._scales(file)
        for name, values, attributes in self._coordinates():
            _attach(file.create_dataset(name, data=values), ("panel", "y", "x"), scales, attributes)
        self._write_facts(file, scales)
        for name, output in self._outputs.items():
            for kind in self._kinds:
                place = name + kind
                axes = ("time", *self._axes(output, kind))
                _attach(make(place, place), axes, scales, _attributes(output, kind))

    def _scales(self, file: H5) -> dict[str, H5]:
        """The dimensions, those with values as coordinate variables."""
        places = self._places
        time = np.array([look.time for look in self._looks], dtype=np.float64)
        known: dict[str, tuple[Array, dict[str, str]]] = {
            "time": (time, {"standard_name": "time", "units": TIME_UNITS, "calendar": CALENDAR, "axis": "T"}),
            "panel": (np.arange(2, dtype=np.int32), {"long_name": "panel: 0 Yin, 1 Yang", "units": "1"}),
            "lat": (places.lat, {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"}),
        }
        if places.sigma is not None:
            known["sigma"] = (
                places.sigma,
                {
                    "standard_name": "atmosphere_sigma_coordinate",
                    "long_name": "pressure over surface pressure at full levels",
                    "formula_terms": "sigma: sigma ps: ps ptop: ptop",
                    "positive": "down",
                    "units": "1",
                    "axis": "Z",
                },
            )
            ptop = file.create_dataset("ptop", data=np.float64(0.0))
            _describe(ptop, {"long_name": "pressure at the top", "units": "Pa"})
        if places.lon is not None:
            known["lon"] = (places.lon, {"standard_name": "longitude", "units": "degrees_east", "axis": "X"})
        scales: dict[str, H5] = {}
        for number, (name, size) in enumerate(self._sizes().items()):
            values, attributes = known.get(name, (np.zeros(size, dtype=np.float32), {}))
            grows = {"maxshape": (None,), "chunks": (512,)} if name == "time" else {}
            scale: H5 = file.create_dataset(name, data=values, **grows)
            scale.make_scale(name if name in known else f"{_NO_VARIABLE}{size:10d}")
            scale.attrs["_Netcdf4Dimid"] = np.int32(number)
            _describe(scale, attributes)
            scales[name] = scale
        return scales

    def _coordinates(self) -> list[tuple[str, Floats, dict[str, str]]]:
        return [
            ("latitude", self._places.latitude, {"standard_name": "latitude", "units": "degrees_north"}),
            ("longitude", self._places.longitude, {"standard_name": "longitude", "units": "degrees_east"}),
        ]

    def _write_facts(self, file: H5, scales: Mapping[str, H5]) -> None:
        """One value per frame: step, mass, energy and what the fixer did."""
        steps = np.array([look.step for look in self._looks], dtype=np.int64)
        _attach(_growing(file, "step", steps), ("time",), scales, {"long_name": "number of steps", "units": "1"})
        for name, (meaning, atmosphere, water) in FACTS.items():
            values = np.array([getattr(look, name) for look in self._looks], dtype=np.float64)
            units = water if self._places.sigma is None else atmosphere
            _attach(_growing(file, name, values), ("time",), scales, {"long_name": meaning, "units": units})


def _growing(file: H5, name: str, values: Array) -> H5:
    return file.create_dataset(name, data=values, maxshape=(None,), chunks=(512,))


def _attach(dataset: H5, axes: Sequence[str], scales: Mapping[str, H5], attributes: Mapping[str, str]) -> None:
    for axis, name in enumerate(axes):
        dataset.dims[axis].attach_scale(scales[name])
    _describe(dataset, attributes)


def _attributes(output: Output, kind: str) -> dict[str, str]:
    found = {"long_name": output.long_name, "units": output.units}
    if output.standard_name:
        found["standard_name"] = output.standard_name
    if kind == ZONAL:
        found["cell_methods"] = "longitude: mean"
    elif kind == "":
        found["coordinates"] = "latitude longitude"
    return found


def _describe(item: H5, attributes: Mapping[str, str]) -> None:
    """Text attributes of fixed length, which netCDF calls char; other characters than ASCII are left out."""
    for name, text in attributes.items():
        item.attrs[name] = np.bytes_(text.encode("ascii", "replace"))
