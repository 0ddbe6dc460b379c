"""What one pair does on the GPU, per kind of interaction: the formulas of physics.py compiled for one thread.

A kind is three device functions: `own_data(interaction, slot)` is read once per atom i; `reach_square(interaction,
own, j)` is the square of the cutoff with the atom in slot j; `terms(interaction, own, j, square)` is (force/r, energy)
of a pair in reach. Embedded atoms have a fourth, the density that slot j gives to i. No function holds a literal of a
floating-point type, which would turn float32 into float64.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from clustermark.apps.md import physics
from clustermark.apps.md.interactions import Embedded, ManyTypes, OneType
from clustermark.devices.numba_cuda import cuda

# As ARITHMETIC of devices/simd.py, and the fast reciprocal of float32 (2 units in the last place).
FAST = True

lennard_jones = cuda.jit(device=True, fastmath=FAST)(physics.lennard_jones)
lennard_jones_force_shifted = cuda.jit(device=True, fastmath=FAST)(physics.lennard_jones_force_shifted)
cubic = cuda.jit(device=True, fastmath=FAST)(physics.cubic)
cubic_slope = cuda.jit(device=True, fastmath=FAST)(physics.cubic_slope)


class Kind(NamedTuple):
    """Device functions of one kind of interaction; see above."""

    own_data: Callable[..., Any]
    reach_square: Callable[..., Any]
    terms: Callable[..., Any]


@cuda.jit(device=True, fastmath=FAST)
def no_data(interaction, slot):
    """Nothing: all atoms are alike."""
    return 0


@cuda.jit(device=True, fastmath=FAST)
def one_reach(interaction, own, j):
    """Square of the one cutoff."""
    return interaction.cutoff_square


@cuda.jit(device=True, fastmath=FAST)
def one_type_terms(interaction, own, j, square):
    """Lennard-Jones, "cut" or "shifted", of one type."""
    force_over_r, energy = lennard_jones(
        interaction.one / square,
        interaction.force_12,
        interaction.force_6,
        interaction.energy_12,
        interaction.energy_6,
    )
    return force_over_r, energy - interaction.offset


@cuda.jit(device=True, fastmath=FAST)
def row_of_type(interaction, slot):
    """Row of the tables of pairs."""
    return interaction.types[slot] * interaction.number


@cuda.jit(device=True, fastmath=FAST)
def reach_of_types(interaction, own, j):
    """Square of the cutoff of the two types."""
    return interaction.cutoff_square[own + interaction.types[j]]


@cuda.jit(device=True, fastmath=FAST)
def many_types_terms(interaction, own, j, square):
    """Lennard-Jones of any style and types; slope is 0 unless the style is force-shifted."""
    pair = own + interaction.types[j]
    inverse = interaction.one / square
    r = math.sqrt(square)
    return lennard_jones_force_shifted(
        inverse,
        r * inverse,
        r,
        interaction.force_12[pair],
        interaction.force_6[pair],
        interaction.energy_12[pair],
        interaction.energy_6[pair],
        interaction.slope[pair],
        interaction.offset[pair],
    )


@cuda.jit(device=True, fastmath=FAST)
def type_and_slope(interaction, slot):
    """Type of atom i and F'(ρ_i)."""
    return interaction.types[slot], interaction.embedding_slope[slot]


@cuda.jit(device=True, fastmath=FAST)
def place_in_table(interaction, square):
    """(r, interval of the splines, place in it from 0 to 1)."""
    r = math.sqrt(square)
    scaled = r * interaction.per_length
    interval = min(np.int32(scaled), np.int32(interaction.intervals - 1))
    return r, interval, scaled - type(square)(interval)


@cuda.jit(device=True, fastmath=FAST)
def slope_of_density(interaction, kind, interval, p):
    """f'(r) of the type that gives the density."""
    row = 4 * (kind * interaction.intervals + interval)
    table = interaction.density
    return cubic_slope(table[row + 1], table[row + 2], table[row + 3], p, interaction.per_length)


@cuda.jit(device=True, fastmath=FAST)
def embedded_terms(interaction, own, j, square):
    """f/r = −[F'(ρ_i) f'_j(r) + F'(ρ_j) f'_i(r) + φ'(r)] / r; φ = z/r, φ' = (z' − φ)/r with z = r·φ of the table."""
    type_i, slope_i = own
    type_j = interaction.types[j]
    r, interval, p = place_in_table(interaction, square)
    inverse = interaction.one / r
    given_by_j = slope_of_density(interaction, type_j, interval, p)
    given_by_i = given_by_j
    if interaction.number > 1:
        given_by_i = slope_of_density(interaction, type_i, interval, p)
    row = 4 * ((type_i * interaction.number + type_j) * interaction.intervals + interval)
    table = interaction.pair
    c1, c2, c3 = table[row + 1], table[row + 2], table[row + 3]
    phi = cubic(table[row], c1, c2, c3, p) * inverse
    phi_slope = (cubic_slope(c1, c2, c3, p, interaction.per_length) - phi) * inverse
    force_over_r = (slope_i * given_by_j + interaction.embedding_slope[j] * given_by_i + phi_slope) * inverse
    return -force_over_r, phi


@cuda.jit(device=True, fastmath=FAST)
def density_given(interaction, j, square):
    """f_b(r) of the type of the giver, the atom in slot j."""
    _, interval, p = place_in_table(interaction, square)
    row = 4 * (interaction.types[j] * interaction.intervals + interval)
    table = interaction.density
    return cubic(table[row], table[row + 1], table[row + 2], table[row + 3], p)


KINDS: dict[type, Kind] = {
    OneType: Kind(no_data, one_reach, one_type_terms),
    ManyTypes: Kind(row_of_type, reach_of_types, many_types_terms),
    Embedded: Kind(type_and_slope, one_reach, embedded_terms),
}
