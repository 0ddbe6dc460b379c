"""Pair kernels of the CPU: clusters of J atoms j against two atoms i at once (Páll & Hess 2013), explicit vectors.

A half list: the force of a pair is added to both atoms. What a pair does is in pair_terms_cpu.py, chosen by the type
of the interaction; the traversal here is the same for all.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.core import types
from numba.extending import overload

from clustermark.apps.md.pair_list import ATOMS, BOTH, END, FIRST, GROUP, ITSELF, SECOND, SHIFT
from clustermark.apps.md.pair_terms_cpu import cubic, cubic_slope, density_of_pair, own_data, terms_of_pair
from clustermark.devices.simd import count, lanes, load, mask_of, select, splat, store, total, zeros_like
from clustermark.devices.simd_lookup import element


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _difference(atom, j, positions, width):
    """r_i − r_j for one atom i and the J atoms of cluster j: dx, dy, dz and r²."""
    size = lanes(width)
    place = j * (3 * size)
    dx = atom[0] - load(positions, place, width)
    dy = atom[1] - load(positions, place + size, width)
    dz = atom[2] - load(positions, place + 2 * size, width)
    return dx, dy, dz, dx * dx + dy * dy + dz * dz


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _atom(interaction, positions, shifts, shift, i, lane, width):
    """Shifted coordinates of one atom i in every lane, and what the formula wants to know of it."""
    size = lanes(width)
    place = i * 3 * size + lane
    return (
        splat(positions[place] + shifts[shift, 0], width),
        splat(positions[place + size] + shifts[shift, 1], width),
        splat(positions[place + 2 * size] + shifts[shift, 2], width),
        own_data(interaction, i * size + lane, width),
    )


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _interact(interaction, atom, j, allowed, positions, forces, force, sums, width):
    """One atom i with cluster j: the forces of j are changed, those of i and the sums returned."""
    size = lanes(width)
    place = j * (3 * size)
    dx, dy, dz, square = _difference(atom, j, positions, width)
    near, force_over_r, energy = terms_of_pair(interaction, atom[3], j, square, allowed, width)
    if sums is not None:
        virial = force_over_r * select(near, square, 0)
        sums = (sums[0] + select(near, energy, 0), sums[1] + virial, sums[2] + count(near))
    dx = dx * force_over_r
    dy = dy * force_over_r
    dz = dz * force_over_r
    store(forces, place, load(forces, place, width) - dx)
    store(forces, place + size, load(forces, place + size, width) - dy)
    store(forces, place + 2 * size, load(forces, place + 2 * size, width) - dz)
    return (force[0] + dx, force[1] + dy, force[2] + dz), sums


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
def _add_force(forces, place, force, width):
    """Add the lanes' sum to the force of one atom."""
    forces[place] += total(force[0])
    forces[place + lanes(width)] += total(force[1])
    forces[place + 2 * lanes(width)] += total(force[2])


@numba.njit(nogil=True, cache=True, error_model="numpy")
def pair_forces(interaction, positions, groups, entries, shifts, first, last, width, forces, totals):
    """Forces of the listed pairs: f_i += (f/r)·(r_i − r_j), f_j −= the same.

    Parameters
    ----------
    interaction : OneType, ManyTypes or Embedded
    positions : flat cluster layout
    groups, entries : the list; rows `first` to `last` − 1 of `groups` are done
    shifts : (28, 3) periodic shifts of i
    width : J
    forces : flat cluster layout, in and out
    totals : None, or (3,) float64, in and out: energy, virial Σ r·f, pairs in range
    """
    size = lanes(width)
    for row in range(first, last):
        group = np.int64(groups[row, GROUP])
        shift = groups[row, SHIFT]
        i = group // (size // ATOMS)
        lane = group % (size // ATOMS) * ATOMS
        a = _atom(interaction, positions, shifts, shift, i, lane, width)
        b = _atom(interaction, positions, shifts, shift, i, lane + 1, width)
        zero = zeros_like(a[0])
        force_a = (zero, zero, zero)
        force_b = force_a
        sums = _no_sums(totals, zero)
        if shift == ITSELF:
            behind_a = mask_of(-(np.int64(2) << lane), width)
            behind_b = mask_of(-(np.int64(4) << lane), width)
            force_a, sums = _interact(interaction, a, i, behind_a, positions, forces, force_a, sums, width)
            force_b, sums = _interact(interaction, b, i, behind_b, positions, forces, force_b, sums, width)
        for k in range(groups[row, BOTH], groups[row, FIRST]):
            j = np.int64(element(entries, k))
            force_a, sums = _interact(interaction, a, j, None, positions, forces, force_a, sums, width)
            force_b, sums = _interact(interaction, b, j, None, positions, forces, force_b, sums, width)
        for k in range(groups[row, FIRST], groups[row, SECOND]):
            j = np.int64(element(entries, k))
            force_a, sums = _interact(interaction, a, j, None, positions, forces, force_a, sums, width)
        for k in range(groups[row, SECOND], groups[row, END]):
            j = np.int64(element(entries, k))
            force_b, sums = _interact(interaction, b, j, None, positions, forces, force_b, sums, width)
        _add_force(forces, i * 3 * size + lane, force_a, width)
        _add_force(forces, i * 3 * size + lane + 1, force_b, width)
        if totals is not None:
            _add_sums(totals, sums)


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _give_density(interaction, atom, j, allowed, positions, densities, density, width):
    """One atom i with cluster j: the densities at j are changed, that at i is returned."""
    place = j * lanes(width)
    _, _, _, square = _difference(atom, j, positions, width)
    from_j, from_i = density_of_pair(interaction, atom[3], j, square, allowed, width)
    store(densities, place, load(densities, place, width) + from_i)
    return density + from_j


@numba.njit(nogil=True, cache=True, error_model="numpy")
def densities(interaction, positions, groups, entries, shifts, first, last, width, electron_density):
    """Electron density ρ_i = Σ_j f_j(r_ij) of the listed pairs (Daw & Baskes 1984, eq. 3).

    Parameters
    ----------
    interaction : Embedded
    others : as in `pair_forces`
    electron_density : one number per slot, in and out
    """
    size = lanes(width)
    for row in range(first, last):
        group = np.int64(groups[row, GROUP])
        shift = groups[row, SHIFT]
        i = group // (size // ATOMS)
        lane = group % (size // ATOMS) * ATOMS
        a = _atom(interaction, positions, shifts, shift, i, lane, width)
        b = _atom(interaction, positions, shifts, shift, i, lane + 1, width)
        sum_a = zeros_like(a[0])
        sum_b = sum_a
        if shift == ITSELF:
            behind_a = mask_of(-(np.int64(2) << lane), width)
            behind_b = mask_of(-(np.int64(4) << lane), width)
            sum_a = _give_density(interaction, a, i, behind_a, positions, electron_density, sum_a, width)
            sum_b = _give_density(interaction, b, i, behind_b, positions, electron_density, sum_b, width)
        for k in range(groups[row, BOTH], groups[row, FIRST]):
            j = np.int64(element(entries, k))
            sum_a = _give_density(interaction, a, j, None, positions, electron_density, sum_a, width)
            sum_b = _give_density(interaction, b, j, None, positions, electron_density, sum_b, width)
        for k in range(groups[row, FIRST], groups[row, SECOND]):
            j = np.int64(element(entries, k))
            sum_a = _give_density(interaction, a, j, None, positions, electron_density, sum_a, width)
        for k in range(groups[row, SECOND], groups[row, END]):
            j = np.int64(element(entries, k))
            sum_b = _give_density(interaction, b, j, None, positions, electron_density, sum_b, width)
        electron_density[i * size + lane] += total(sum_a)
        electron_density[i * size + lane + 1] += total(sum_b)


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
