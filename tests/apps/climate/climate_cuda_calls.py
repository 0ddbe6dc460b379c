"""Every host entry of the climate's CUDA kernels called once, with arrays of the types that each precision has."""

from __future__ import annotations

from typing import Any

import numpy as np

from clustermark.apps.climate import halo_kernels_cuda, launch_cuda, shallow_cuda

MODULES = (launch_cuda, shallow_cuda, halo_kernels_cuda)
ROWS, PITCH = 10, 16
REGION = (3, 5, 3, 5)


def call_every_entry(dtype: str) -> None:
    """Arrays are of the right types, their content means nothing."""
    cosines, flat = np.zeros(ROWS), np.zeros(ROWS * PITCH, dtype)
    _call_water(dtype, cosines, flat)
    _call_halo(flat)


def _call_water(dtype: str, cosines: Any, flat: Any) -> None:
    work = shallow_cuda.make_work(ROWS, dtype)
    arguments: Any = (*(flat,) * 8, *(cosines,) * 2, 1.0, 1.0, 1.0, PITCH, *REGION, work, *(flat,) * 3)
    shallow_cuda.shallow_stage(*arguments)


def _call_halo(flat: Any) -> None:
    numbers, segments, own = np.zeros(5, np.int64), np.zeros((2, 4), np.int64), np.zeros(5, np.bool_)
    runs, size, donors = (numbers, numbers, numbers, numbers), (ROWS * PITCH, 2), (numbers, flat, flat)
    halo_kernels_cuda.pack_runs(flat, *runs, *size, flat)
    halo_kernels_cuda.unpack_runs(flat, *runs, *size, flat)
    halo_kernels_cuda.unpack_points(flat, segments, numbers, *size, flat)
    halo_kernels_cuda.blend_points(flat, segments, numbers, own, *size, flat)
    halo_kernels_cuda.interpolate_scalar(flat, segments, donors, PITCH, *size, flat)
    points = (segments, donors, donors)
    halo_kernels_cuda.interpolate_wind(flat, flat, points, points, PITCH, *size, flat)
