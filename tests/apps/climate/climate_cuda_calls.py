"""Every host entry of the climate's CUDA kernels called once, with arrays of the types that each precision has."""

from __future__ import annotations

from typing import Any

import numpy as np

from clustermark.apps.climate import (
    damping_cuda,
    flux_matching_cuda,
    forcing_cuda,
    halo_kernels_cuda,
    launch_cuda,
    primitive_columns_cuda,
    primitive_cuda,
    primitive_factors_cuda,
    shallow_cuda,
    sums_cuda,
    surface_cuda,
    tracer_cuda,
)
from clustermark.apps.climate.forcing import HeldSuarez

MODULES = (
    *(damping_cuda, flux_matching_cuda, forcing_cuda, halo_kernels_cuda, launch_cuda, primitive_columns_cuda),
    *(primitive_cuda, primitive_factors_cuda, shallow_cuda, sums_cuda, surface_cuda, tracer_cuda),
)
LEVELS, ROWS, PITCH = 3, 10, 16
REGION = (3, 5, 3, 5)


def call_every_entry(dtype: str) -> None:
    """Arrays are of the right types, their content means nothing."""
    cosines, flat = np.zeros(ROWS), np.zeros(ROWS * PITCH, dtype)
    _call_water(dtype, cosines, flat)
    _call_halo(flat)
    _call_atmosphere(dtype, cosines, flat)
    _call_sums(dtype)
    _call_seam(flat)
    _call_tracer(flat, cosines)


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


def _call_atmosphere(dtype: str, cosines: Any, flat: Any) -> None:
    mass, size = np.zeros(ROWS * PITCH), (LEVELS, ROWS, PITCH)
    box = (ROWS, PITCH, *REGION)
    surface_cuda.surface_terms(mass, cosines, np.zeros(37), 1.0, 1.0, *box, mass, flat)
    new, metric = (mass, flat, flat, flat), (cosines, cosines)
    work: Any = primitive_cuda.make_work(*size, dtype)
    arguments: Any = (*(flat,) * 3, mass, *(flat,) * 6, *metric, np.zeros((5, LEVELS)), 1.0, 1.0, *box, work, *new)
    primitive_cuda.advance(*arguments)
    arguments = (*(flat,) * 3, *metric, 1.0, 1.0, LEVELS, *box, damping_cuda.make_work(*size, dtype), *new[1:])
    damping_cuda.damp(*arguments)
    constants, work = HeldSuarez().constants, forcing_cuda.make_work(*size, dtype)
    arguments = (mass, *(flat,) * 4, np.zeros((4, LEVELS)), constants, 0.3, 1.0, 1.0, *box, work)
    forcing_cuda.force(*arguments)


def _call_sums(dtype: str) -> None:
    block = np.zeros((ROWS, PITCH))
    for values in (block, block.astype(dtype)):
        sums_cuda.add_words(values, block, 4, 4, 1.0, np.zeros(3, np.int64))
        sums_cuda.scale_cells(values, 4, 4, 0.5)
        damping_cuda.copy_cells(values.reshape(-1), PITCH, *REGION, values.reshape(-1))


def _call_seam(flat: Any) -> None:
    places, fluxes = np.zeros(5, np.int64), np.zeros(5)
    for mass in (flat, flat.astype(np.float64)):
        flux_matching_cuda.column_fluxes(
            *(mass, flat, np.ones(LEVELS), ROWS * PITCH, places, places, 1, fluxes, flat[:5], fluxes)
        )
        flux_matching_cuda.correct_cells(fluxes, places, fluxes, fluxes, places, places, fluxes, 1.0, places, mass)
    flux_matching_cuda.piece_fluxes(fluxes, np.zeros((5, 12), np.int64), np.zeros((5, 12)), places, fluxes)


def _call_tracer(flat: Any, cosines: Any) -> None:
    size, work = (LEVELS, ROWS, PITCH), tracer_cuda.make_work(LEVELS, ROWS, PITCH)
    for mass in (flat, flat.astype(np.float64)):
        fields, box = (flat, mass, mass, flat, flat, mass), (ROWS, PITCH, *REGION)
        arguments: Any = (*fields, cosines, cosines, np.ones((LEVELS, 14)), 1.0, 1.0, *box, work, flat)
        tracer_cuda.advance(*arguments)
    tracer_cuda.take_cells(flat, *size, 4, flat)
    tracer_cuda.cut_below_zero(*size, 4, flat)
