"""Pair kernels of the CPU: one atom i with clusters of J atoms j (Páll & Hess 2013), explicit vectors.

A half list: the force of a pair is added to both atoms. What a pair does is in pair_terms_cpu.py, chosen by the type
of the interaction; the traversal here is the same for all.

A run of entries is followed to the −1 behind it. A counted loop would be unrolled, and the branch on the odd entry left
over, like the spilled registers, cost more than that saves.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import overload

from clustermark.apps.md.pair_list import FIRST, ITSELF, SHIFT, SLOT
from clustermark.apps.md.pair_terms_cpu import cubic, cubic_slope, density_of_pair, own_data, terms_of_pair
from clustermark.devices.simd import (
    count,
    lanes,
    load,
    mask_of,
    multiply_add,
    select,
    splat,
    store,
    total,
    zeros_like,
)
from clustermark.devices.simd_lookup import add_to_element, element


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _difference(atom, place, positions, width):
    """r_i − r_j for one atom i and the J atoms of the cluster at `place`: dx, dy, dz and r²."""
    size = lanes(width)
    dx = atom[0] - load(positions, place, width)
    dy = atom[1] - load(positions, place + size, width)
    dz = atom[2] - load(positions, place + 2 * size, width)
    return dx, dy, dz, dx * dx + dy * dy + dz * dz


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _atom(interaction, positions, shifts, shift, slot, width):
    """Shifted coordinates of one atom i in every lane, and what the formula wants to know of it."""
    size = lanes(width)
    place = slot // size * (3 * size) + slot % size
    return (
        splat(element(positions, place) + element(shifts, 3 * shift), width),
        splat(element(positions, place + size) + element(shifts, 3 * shift + 1), width),
        splat(element(positions, place + 2 * size) + element(shifts, 3 * shift + 2), width),
        own_data(interaction, slot, width),
    )


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _interact(interaction, atom, j, allowed, positions, forces, force, sums, width):
    """One atom i with cluster j: the forces of j are changed, those of i and the sums returned."""
    size = lanes(width)
    place = j * (3 * size)
    dx, dy, dz, square = _difference(atom, place, positions, width)
    near, force_over_r, energy = terms_of_pair(interaction, atom[3], j, square, allowed, width)
    if sums is not None:
        virial = force_over_r * select(near, square, 0)
        sums = (sums[0] + select(near, energy, 0), sums[1] + virial, sums[2] + count(near))
    opposite = 0 - force_over_r
    store(forces, place, multiply_add(dx, opposite, load(forces, place, width)))
    store(forces, place + size, multiply_add(dy, opposite, load(forces, place + size, width)))
    store(forces, place + 2 * size, multiply_add(dz, opposite, load(forces, place + 2 * size, width)))
    force = (
        multiply_add(dx, force_over_r, force[0]),
        multiply_add(dy, force_over_r, force[1]),
        multiply_add(dz, force_over_r, force[2]),
    )
    return force, sums


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _behind(slot, width):
    """Mask of the atoms behind atom i in its own cluster."""
    return mask_of(-(np.int64(2) << slot % lanes(width)), width)


def _no_sums(totals: Any, zero: Any) -> Any:
    """Nothing summed yet: energy, virial, pairs; None where nobody asks. Compiled code only."""
    raise TypeError("this function is for compiled kernels")


@overload(_no_sums)
def _no_sums_typed(totals, zero):
    if totals is types.none:
        return lambda totals, zero: None
    return lambda totals, zero: (zero, zero, 0)


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _add_sums(totals, sums):
    """Energy and virial of the lanes, and the pairs, to the totals in float64."""
    totals[0] += total(sums[0])
    totals[1] += total(sums[1])
    totals[2] += sums[2]


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _add_force(forces, slot, force, width):
    """Add the lanes' sum to the force of one atom."""
    size = lanes(width)
    place = slot // size * (3 * size) + slot % size
    add_to_element(forces, place, total(force[0]))
    add_to_element(forces, place + size, total(force[1]))
    add_to_element(forces, place + 2 * size, total(force[2]))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def pair_forces(interaction, positions, runs, entries, shifts, first, last, width, forces, totals):
    """Forces of the listed pairs: f_i += (f/r)·(r_i − r_j), f_j −= the same.

    Parameters
    ----------
    interaction : OneType, ManyTypes or Embedded
    positions : flat cluster layout
    runs, entries : the list; rows `first` to `last` − 1 of `runs` are done
    shifts : (28, 3) periodic shifts of i
    width : J
    forces : flat cluster layout, in and out
    totals : None, or (3,) float64, in and out: energy, virial Σ r·f, pairs in range
    """
    shifts = shifts.reshape(-1)
    for row in range(first, last):
        slot, shift = np.int64(runs[row, SLOT]), np.int64(runs[row, SHIFT])
        atom = _atom(interaction, positions, shifts, shift, slot, width)
        zero = zeros_like(atom[0])
        force = (zero, zero, zero)
        sums = _no_sums(totals, zero)
        k = np.int64(runs[row, FIRST])
        j = np.int64(element(entries, k))
        while j >= 0:
            force, sums = _interact(interaction, atom, j, None, positions, forces, force, sums, width)
            k += 1
            j = np.int64(element(entries, k))
        if shift == ITSELF:
            i, behind = slot // lanes(width), _behind(slot, width)
            force, sums = _interact(interaction, atom, i, behind, positions, forces, force, sums, width)
        _add_force(forces, slot, force, width)
        if totals is not None:
            _add_sums(totals, sums)


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _give_density(interaction, atom, j, allowed, positions, densities, density, width):
    """One atom i with cluster j: the densities at j are changed, that at i is returned."""
    size = lanes(width)
    _, _, _, square = _difference(atom, j * (3 * size), positions, width)
    from_j, from_i = density_of_pair(interaction, atom[3], j, square, allowed, width)
    store(densities, j * size, load(densities, j * size, width) + from_i)
    return density + from_j


@numba.njit(nogil=True, cache=True, error_model="numpy")
def densities(interaction, positions, runs, entries, shifts, first, last, width, electron_density):
    """Electron density ρ_i = Σ_j f_j(r_ij) of the listed pairs (Daw & Baskes 1984, eq. 3).

    Parameters
    ----------
    interaction : Embedded
    others : as in `pair_forces`
    electron_density : one number per slot, in and out
    """
    shifts = shifts.reshape(-1)
    for row in range(first, last):
        slot, shift = np.int64(runs[row, SLOT]), np.int64(runs[row, SHIFT])
        atom = _atom(interaction, positions, shifts, shift, slot, width)
        density = zeros_like(atom[0])
        k = np.int64(runs[row, FIRST])
        j = np.int64(element(entries, k))
        while j >= 0:
            density = _give_density(interaction, atom, j, None, positions, electron_density, density, width)
            k += 1
            j = np.int64(element(entries, k))
        if shift == ITSELF:
            i, behind = slot // lanes(width), _behind(slot, width)
            density = _give_density(interaction, atom, i, behind, positions, electron_density, density, width)
        add_to_element(electron_density, slot, total(density))


@numba.njit(nogil=True, cache=True, error_model="numpy")
def embed(ids, types, electron_density, table, intervals, per_density, largest_density, slope):
    """Energy Σ F(ρ_i) of the atoms, and F'(ρ_i) per slot; linear beyond the end of the table.

    Parameters
    ----------
    table : (types · intervals · 4,) float64 coefficients
    slope : one number per slot, in the kernels' precision, out; 0 in padding
    """
    energy = 0.0
    for slot in range(ids.size):
        slope[slot] = 0
        if ids[slot] >= 0:
            scaled = float(electron_density[slot]) * per_density
            interval = max(0, min(int(scaled), intervals - 1))
            p = min(scaled - interval, 1.0)
            row = 4 * (types[slot] * intervals + interval)
            c1, c2, c3 = table[row + 1], table[row + 2], table[row + 3]
            derivative = cubic_slope(c1, c2, c3, p, per_density)
            beyond = max(0.0, float(electron_density[slot]) - largest_density)
            energy += cubic(table[row], c1, c2, c3, p) + derivative * beyond
            slope[slot] = derivative
    return energy
