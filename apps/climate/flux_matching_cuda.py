"""Kernels of flux matching on the GPU: the entries of flux_matching_cpu.py, same names and arguments.

One thread per face, piece or cell, in the order of the CPU's sums; fluxes of mass are float64 in every precision, as
there. A seam has a few thousand faces: these launches are short, and follow one another without the host.
"""

from __future__ import annotations

from typing import Any

from clustermark.apps.climate.launch_cuda import THREADS, blocks_of, load, store
from clustermark.devices.launch_cuda import flat, launch
from clustermark.devices.numba_cuda import cuda


@cuda.jit(cache=True)
def column_flux(
    mass, wind, thickness, levels, plane, mass_places, wind_places, beyond, factors, masses, fluxes
):  # fmt: skip
    """One face; see flux_matching_cpu.column_fluxes."""
    n = cuda.grid(1)
    if n < mass_places.size:
        place = load(mass_places, n)
        mean = masses.dtype.type((load(mass, place) + load(mass, place + beyond)) * load(factors, n))
        store(masses, n, mean)
        place = load(wind_places, n)
        flux = 0.0
        for k in range(levels):
            flux += load(thickness, k) * load(wind, place + k * plane)
        store(fluxes, n, flux * float(mean))


@cuda.jit(cache=True)
def piece_flux(fluxes, faces, stencil, coefficients, spots, buffer):
    """One piece; see flux_matching_cpu.piece_fluxes."""
    p = cuda.grid(1)
    if p < spots.size:
        total = 0.0
        for s in range(stencil):
            total += load(coefficients, p * stencil + s) * load(fluxes, load(faces, p * stencil + s))
        store(buffer, load(spots, p), total)


@cuda.jit(device=True)
def change_through(n, fluxes, faces, signs, buffer, starts, spots, factors, step):
    """What face n brings to its cell."""
    through = 0.0
    for p in range(load(starts, n), load(starts, n + 1)):
        through += load(buffer, load(spots, p))
    return step * load(factors, n) * (load(signs, n) * load(fluxes, load(faces, n)) - through)


@cuda.jit(cache=True)
def correct_cell(fluxes, faces, signs, buffer, starts, spots, factors, step, places, mass):
    """One cell; see flux_matching_cpu.correct_cells.

    A cell at a corner of the line has two faces, neighbours in the list or its first and its last: the thread of the
    one that stands first does both, in the order of the CPU.
    """
    n = cuda.grid(1)
    last = faces.size - 1
    if n <= last:
        real = mass.dtype.type
        place = load(places, n)
        second = -1
        if n < last and load(places, n + 1) == place:
            second = n + 1
        elif n == 0 and last > 0 and load(places, last) == place:
            second = last
        follows = n > 0 and (load(places, n - 1) == place or (n == last and load(places, 0) == place))
        if not follows:
            value = load(mass, place)
            value = real(value + change_through(n, fluxes, faces, signs, buffer, starts, spots, factors, step))
            if second > 0:
                value = real(value + change_through(second, fluxes, faces, signs, buffer, starts, spots, factors, step))
            store(mass, place, value)


def column_fluxes(
    mass: Any,
    wind: Any,
    thickness: Any,
    plane: int,
    mass_places: Any,
    wind_places: Any,
    beyond: int,
    factors: Any,
    masses: Any,
    fluxes: Any,
) -> None:
    """Σ_k Δσ_k m̄ w_k through faces; as flux_matching_cpu.column_fluxes."""
    if mass_places.size:
        launch(column_flux, blocks_of(mass_places.size), THREADS)(
            mass, wind, thickness, int(thickness.size), plane, mass_places, wind_places, beyond, factors, masses, fluxes
        )


def piece_fluxes(fluxes: Any, faces: Any, coefficients: Any, spots: Any, buffer: Any) -> None:
    """Flux through each piece; as flux_matching_cpu.piece_fluxes."""
    if spots.size:
        launch(piece_flux, blocks_of(spots.size), THREADS)(
            fluxes, flat(faces), int(faces.shape[1]), flat(coefficients), spots, buffer
        )


def correct_cells(
    fluxes: Any,
    faces: Any,
    signs: Any,
    buffer: Any,
    starts: Any,
    spots: Any,
    factors: Any,
    step: float,
    places: Any,
    mass: Any,
) -> None:
    """Yin's cells along the seam, corrected in place; as flux_matching_cpu.correct_cells."""
    if faces.size:
        launch(correct_cell, blocks_of(faces.size), THREADS)(
            fluxes, faces, signs, buffer, starts, spots, factors, float(step), places, mass
        )
