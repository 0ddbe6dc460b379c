"""Kernels of flux matching: column fluxes through listed faces, fluxes through pieces of the seam, Yin's correction."""

from __future__ import annotations

import numba


@numba.njit(nogil=True, cache=True, error_model="numpy")
def column_fluxes(mass, wind, thickness, plane, mass_places, wind_places, beyond, factors, masses, fluxes):
    """Σ_k Δσ_k m̄ w_k through faces, m̄ the mean of both sides (times cosφ); in water there is one level.

    Parameters
    ----------
    mass : flat blocks of depth or surface pressure
    wind : flat blocks of u or v, all levels
    thickness : (levels,) Δσ
    plane : elements from one level to the next
    mass_places, wind_places : (n,) index of the face's cell in `mass`, and in `wind` at level 0
    beyond : from there to the cell on the other side: 1 or the pitch
    factors : (n,) ½, or ½ cosφ at the face
    masses : (n,) in the precision of the winds, scratch: m̄ is rounded as the model's own kernel rounds it
    fluxes : (n,) float64, out
    """
    number = len(mass_places)
    for n in range(number):
        masses[n] = (mass[mass_places[n]] + mass[mass_places[n] + beyond]) * factors[n]
        fluxes[n] = 0.0
    for k in range(len(thickness)):
        for n in range(number):
            fluxes[n] += thickness[k] * wind[k * plane + wind_places[n]]
    for n in range(number):
        fluxes[n] *= masses[n]


@numba.njit(nogil=True, cache=True, error_model="numpy")
def piece_fluxes(fluxes, faces, coefficients, spots, buffer):
    """Flux through each piece, Σ coefficient·flux of its stencil's faces.

    Parameters
    ----------
    fluxes : of the faces of this rank
    faces : (pieces, stencil) int64, which of them
    coefficients : (pieces, stencil) float64
    spots : (pieces,) places in the messages
    buffer : memory of the messages, out
    """
    for p in range(len(spots)):
        total = 0.0
        for s in range(faces.shape[1]):
            total += coefficients[p, s] * fluxes[faces[p, s]]
        buffer[spots[p]] = total


@numba.njit(nogil=True, cache=True, error_model="numpy")
def correct_cells(fluxes, faces, signs, buffer, starts, spots, factors, step, places, mass):
    """m += Δt/(aΔ cosφ)·(own flux − Σ flux through the pieces) of Yin's cells along the seam, in place.

    Parameters
    ----------
    fluxes : of the faces of this rank
    faces, signs : (n,) which is Yin's own, and +1 where its wind leaves the core
    buffer, spots, starts : messages; where in them pieces are; those of face f are starts[f] … starts[f + 1] − 1
    factors : (n,) 1/(aΔ cosφ) of the cell [1/m]
    step : Δt [s]
    places : (n,) index in `mass`
    mass : flat blocks of depth or surface pressure
    """
    for n in range(len(faces)):
        through = 0.0
        for p in range(starts[n], starts[n + 1]):
            through += buffer[spots[p]]
        mass[places[n]] += step * factors[n] * (signs[n] * fluxes[faces[n]] - through)
