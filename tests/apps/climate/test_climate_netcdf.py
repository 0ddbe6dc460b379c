"""netCDF files of the climate model: other programs read them, while they grow and after."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from clustermark.apps.climate.engine import Look, Output
from clustermark.apps.climate.netcdf import FACTS, LAT_LON, ZONAL, FieldFile, Places
from clustermark.apps.console.growing_file import parts_folder
from clustermark.core.errors import StoreError

OUTPUTS = {
    "ps": Output("surface pressure", "surface_air_pressure", "Pa", 2),
    "u_east": Output("eastward wind", "eastward_wind", "m s-1", 3),
}
LEVELS, ROWS, COLUMNS, BANDS = 3, 4, 7, 6
RANDOM = np.random.default_rng(3)
PLACES = Places(
    latitude=RANDOM.uniform(-90, 90, (2, ROWS, COLUMNS)),
    longitude=RANDOM.uniform(0, 360, (2, ROWS, COLUMNS)),
    sigma=(np.arange(LEVELS) + 0.5) / LEVELS,
    lat=np.arange(-75.0, 90, 30),
    lon=np.arange(15.0, 360, 30),
)


def look_at(step: int) -> Look:
    return Look(step, 3600.0 * step, 5e18, 1e21 + step, 1e-9 * step, -1e-9 * step, {}, {}, 0.5)


def fields_at(step: int, lat_lon: bool = True) -> dict[str, Any]:
    chance = np.random.default_rng(step)
    shapes: dict[str, tuple[int, ...]] = {
        "ps": (2, ROWS, COLUMNS),
        "u_east": (2, LEVELS, ROWS, COLUMNS),
        "ps" + ZONAL: (BANDS,),
        "u_east" + ZONAL: (LEVELS, BANDS),
    }
    if lat_lon:
        shapes |= {"ps" + LAT_LON: (BANDS, 2 * BANDS), "u_east" + LAT_LON: (LEVELS, BANDS, 2 * BANDS)}
    return {name: chance.normal(size=shape) for name, shape in shapes.items()}


def written(path: Path, frames: int = 3, closed: bool = True, places: Places = PLACES) -> FieldFile:
    outputs = OUTPUTS if places.sigma is not None else {"ps": OUTPUTS["ps"]}
    about = {"title": "a test — of μ", "input": json.dumps({"case": "tc5"})}
    file = FieldFile(path, places, outputs, about, seconds=0.0)
    for step in range(frames):
        file.write(look_at(step), fields_at(step, places.lon is not None))
    if closed:
        file.close()
    return file


def engines() -> list[Any]:
    needs = {"h5netcdf": "h5netcdf", "netcdf4": "netCDF4"}
    return [pytest.param(engine, package, id=engine) for engine, package in needs.items()]


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize(("engine", "package"), engines())
def test_xarray_opens_a_file_while_it_grows_and_after(tmp_path: Path, engine: str, package: str, closed: bool) -> None:
    xarray = pytest.importorskip("xarray")
    pytest.importorskip(package)
    written(tmp_path / "run.nc", closed=closed)
    with xarray.open_dataset(tmp_path / "run.nc", engine=engine) as found:
        assert found.u_east.dims == ("time", "sigma", "panel", "y", "x")
        assert found.u_east_lat_lon.dims == ("time", "sigma", "lat", "lon")
        assert found.u_east_zonal_mean.dims == ("time", "sigma", "lat")
        assert found.ps.dims == ("time", "panel", "y", "x")
        assert found.encoding["unlimited_dims"] == {"time"}
        assert set(found.coords) == {"time", "sigma", "panel", "lat", "lon", "latitude", "longitude"}
        assert [str(moment)[:19] for moment in found.time.values] == [f"2000-01-01T0{hour}:00:00" for hour in range(3)]
        assert np.array_equal(found.latitude, PLACES.latitude)
        for step in range(3):
            fields = fields_at(step)
            assert np.array_equal(found.ps[step], fields["ps"].astype("f4"))
            assert np.array_equal(found.u_east[step], np.moveaxis(fields["u_east"], 0, 1).astype("f4"))
            assert np.array_equal(found.u_east_lat_lon[step], fields["u_east_lat_lon"].astype("f4"))
        assert found.ps.attrs["standard_name"] == "surface_air_pressure"
        assert found.u_east.attrs["units"] == "m s-1"
        assert found.energy.values.tolist() == [1e21 + step for step in range(3)]
        assert found.attrs["title"] == "a test ? of ?"


def broken_rules(path: Path) -> list[str]:
    """Rules of the netCDF-4 format and of CF that a file breaks: what the test below and its control look at."""
    found: list[str] = []
    with h5py.File(path, "r") as file:
        items: dict[str, Any] = dict(file)
        scales = {name: item for name, item in items.items() if item.is_scale}
        numbers = sorted(int(scale.attrs.get("_Netcdf4Dimid", -1)) for scale in scales.values())
        if numbers != list(range(len(scales))):
            found.append(f"dimensions are numbered {numbers}")
        if not file.attrs.get("Conventions", b"").startswith(b"CF-1."):  # type: ignore[union-attr]
            found.append("no Conventions")
        for name, item in items.items():
            if not re.fullmatch(r"[a-zA-Z]\w*", name):
                found.append(f"{name} is no name")
            unnamed = str(item.attrs.get("NAME", b"")).find("netCDF dimension but not") > 0
            if "units" not in item.attrs and not unnamed:
                found.append(f"{name} has no units")
            if not unnamed and not {"long_name", "standard_name"} & set(item.attrs):
                found.append(f"{name} has no meaning")
            for axis in range(item.ndim if name not in scales else 0):
                size = item.dims[axis][0].shape[0] if len(item.dims[axis]) else -1
                if size != item.shape[axis]:
                    found.append(f"{name} has the length {item.shape[axis]} on axis {axis}, its dimension {size}")
            scaled = name not in scales and item.ndim and len(item.dims[0])
            growing = name == "time" or (scaled and item.dims[0][0].name == "/time")
            if growing and item.maxshape[0] is not None:
                found.append(f"{name} cannot grow")
            for text in str(item.attrs.get("coordinates", b"").decode()).split():
                if text not in items:
                    found.append(f"{name} has the coordinate {text}, which is not there")
    return found


@pytest.mark.parametrize("closed", [True, False])
@pytest.mark.parametrize("sigma", [True, False])
@pytest.mark.parametrize("lat_lon", [True, False])
def test_a_file_keeps_the_rules_of_netcdf_and_cf(tmp_path: Path, closed: bool, sigma: bool, lat_lon: bool) -> None:
    places = Places(
        PLACES.latitude,
        PLACES.longitude,
        PLACES.sigma if sigma else None,
        PLACES.lat,
        PLACES.lon if lat_lon else None,
    )
    written(tmp_path / "run.nc", closed=closed, places=places)
    assert broken_rules(tmp_path / "run.nc") == []
    with h5py.File(tmp_path / "run.nc") as file:
        assert ("u_east" in file, "ps_lat_lon" in file) == (sigma, lat_lon)
        assert set(FACTS) < set(file)
        assert file["mass"].attrs["units"] == (b"kg" if sigma else b"m3")


def test_the_checker_of_rules_finds_planted_faults(tmp_path: Path) -> None:
    written(tmp_path / "run.nc")
    with h5py.File(tmp_path / "run.nc", "r+") as file:
        found: Any = file
        found["sigma"].attrs["_Netcdf4Dimid"] = np.int32(99)
        del found["ps"].attrs["units"]
        found["ps"].attrs["coordinates"] = np.bytes_(b"latitude elsewhere")
        found.create_dataset("stray", data=np.zeros(2)).attrs.update({"units": "1", "long_name": "stray"})
    sentences = "; ".join(broken_rules(tmp_path / "run.nc"))
    for part in (
        "dimensions are numbered",
        "ps has no units",
        "elsewhere, which is not there",
        "stray has the length 2",
    ):
        assert part in sentences


def test_a_closed_file_stands_alone_and_a_growing_one_loses_no_frame_by_a_kill(tmp_path: Path) -> None:
    script = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); from pathlib import Path; import test_climate_netcdf as t; "
        "t.written(Path(sys.argv[2]), 5, closed=False); os.kill(os.getpid(), 9)"
    )
    here = str(Path(__file__).parent)
    done = subprocess.run([sys.executable, "-c", script, here, str(tmp_path / "run.nc")], timeout=60, check=False)
    assert done.returncode == -9
    with h5py.File(tmp_path / "run.nc") as file:
        values: Any = file["u_east"]
        assert np.array_equal(values[4], np.moveaxis(fields_at(4)["u_east"], 0, 1).astype("f4"))
    written(tmp_path / "other.nc")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other.nc", "run.nc", "run.nc.parts"]
    shutil.rmtree(parts_folder(tmp_path / "run.nc"))
    with h5py.File(tmp_path / "run.nc") as file:
        lost: Any = file["ps"]
        assert np.isnan(lost[()]).all()


def test_a_closed_file_can_grow_in_other_programs(tmp_path: Path) -> None:
    written(tmp_path / "run.nc")
    with h5py.File(tmp_path / "run.nc", "r+") as file:
        values: Any = file["ps"]
        values.resize(4, axis=0)
        assert values.chunks == (1, 2, ROWS, COLUMNS)


def test_a_folder_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        written(tmp_path / "gone" / "run.nc")
