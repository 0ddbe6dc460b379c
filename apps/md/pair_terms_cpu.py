"""What one pair does, per kind of interaction: numba picks the implementation by the type of the NamedTuple.

`own_data(interaction, slot, width)` is read once per atom i; `terms_of_pair(interaction, own, j, square, allowed,
width)` gives, for one atom i and the J atoms of cluster j, a mask of those in range and vectors of force/r (zero out
of range) and energy (to be masked). `density_of_pair` is the first pass of embedded atoms.
"""

from __future__ import annotations

from typing import Any

import numba
from numba.extending import overload

from clustermark.apps.md import physics
from clustermark.apps.md.interactions import Embedded, ManyTypes, OneType
from clustermark.devices.simd import both, lanes, load, select, splat, square_root
from clustermark.devices.simd_lookup import converted, gather, rows, truncated

lennard_jones = numba.njit(nogil=True, error_model="numpy", forceinline=True)(physics.lennard_jones)
lennard_jones_force_shifted = numba.njit(nogil=True, error_model="numpy", forceinline=True)(
    physics.lennard_jones_force_shifted
)
cubic = numba.njit(nogil=True, error_model="numpy", forceinline=True)(physics.cubic)
cubic_slope = numba.njit(nogil=True, error_model="numpy", forceinline=True)(physics.cubic_slope)
_OPTIONS: dict[str, Any] = {"jit_options": {"error_model": "numpy", "nogil": True, "forceinline": True}}


def _compiled_only() -> Any:
    raise TypeError("this function is for compiled kernels")


def own_data(interaction: Any, slot: Any, width: Any) -> Any:
    """What the formula wants to know of atom i; compiled code only."""
    return _compiled_only()


def terms_of_pair(interaction: Any, own: Any, j: Any, square: Any, allowed: Any, width: Any) -> Any:
    """(mask in range, force/r, energy) of one atom with a cluster; compiled code only."""
    return _compiled_only()


def density_of_pair(interaction: Any, own: Any, j: Any, square: Any, allowed: Any, width: Any) -> Any:
    """(density that j gives to i, that i gives to j), zero out of range; compiled code only."""
    return _compiled_only()


def _is(interaction: Any, kind: type) -> bool:
    return getattr(interaction, "instance_class", None) is kind


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _near(square, cutoff_square, allowed):
    near = square < cutoff_square
    if allowed is None:
        return near
    return both(near, allowed)


@overload(own_data, **_OPTIONS)
def _own_data(interaction, slot, width):
    if _is(interaction, OneType):
        return lambda interaction, slot, width: 0
    if _is(interaction, ManyTypes):

        def row(interaction, slot, width):
            return interaction.types[slot] * interaction.number

        return row
    if _is(interaction, Embedded):

        def row_and_slope(interaction, slot, width):
            return interaction.types[slot], splat(interaction.embedding_slope[slot], width)

        return row_and_slope
    return None


@overload(terms_of_pair, **_OPTIONS)
def _terms_of_pair(interaction, own, j, square, allowed, width):
    if _is(interaction, OneType):
        return _one_type
    if _is(interaction, ManyTypes):
        return _many_types
    if _is(interaction, Embedded):
        return _embedded
    return None


def _one_type(interaction, own, j, square, allowed, width):
    near = _near(square, interaction.cutoff_square, allowed)
    force_over_r, energy = lennard_jones(
        interaction.one / square,
        interaction.force_12,
        interaction.force_6,
        interaction.energy_12,
        interaction.energy_6,
    )
    return near, select(near, force_over_r, 0), energy - interaction.offset


def _many_types(interaction, own, j, square, allowed, width):
    """Every number of the pair of types; slope is 0 unless the style is force-shifted."""
    pair = load(interaction.types, j * lanes(width), width) + own
    inverse = interaction.one / square
    r = square_root(square)
    force_over_r, energy = lennard_jones_force_shifted(
        inverse,
        r * inverse,
        r,
        gather(interaction.force_12, pair),
        gather(interaction.force_6, pair),
        gather(interaction.energy_12, pair),
        gather(interaction.energy_6, pair),
        gather(interaction.slope, pair),
        gather(interaction.offset, pair),
    )
    near = _near(square, gather(interaction.cutoff_square, pair), allowed)
    return near, select(near, force_over_r, 0), energy


def _embedded(interaction, own, j, square, allowed, width):
    """f/r = −[F'(ρ_i) f'_j(r) + F'(ρ_j) f'_i(r) + φ'(r)] / r; φ = z/r, φ' = (z' − φ)/r with z = r·φ of the table."""
    type_i, slope_i = own
    types_j = load(interaction.types, j * lanes(width), width)
    slope_j = load(interaction.embedding_slope, j * lanes(width), width)
    near, r, interval, p = _place_in_table(interaction, square, allowed)
    inverse = interaction.one / r
    number, intervals = interaction.number, interaction.intervals
    _, c1, c2, c3 = rows(interaction.density, types_j * intervals + interval)
    given_by_j = cubic_slope(c1, c2, c3, p, interaction.per_length)
    given_by_i = given_by_j
    if number > 1:
        _, c1, c2, c3 = rows(interaction.density, interval + type_i * intervals)
        given_by_i = cubic_slope(c1, c2, c3, p, interaction.per_length)
    c0, c1, c2, c3 = rows(interaction.pair, (types_j + type_i * number) * intervals + interval)
    phi = cubic(c0, c1, c2, c3, p) * inverse
    phi_slope = (cubic_slope(c1, c2, c3, p, interaction.per_length) - phi) * inverse
    force_over_r = (slope_i * given_by_j + slope_j * given_by_i + phi_slope) * inverse
    return near, select(near, 0 - force_over_r, 0), phi


@numba.njit(nogil=True, error_model="numpy", forceinline=True)
def _place_in_table(interaction, square, allowed):
    """(in range, r, interval of the splines, place in it from 0 to 1)."""
    r = square_root(square)
    scaled = r * interaction.per_length
    interval = truncated(scaled, interaction.intervals - 1)
    return _near(square, interaction.cutoff_square, allowed), r, interval, scaled - converted(interval, scaled)


@overload(density_of_pair, **_OPTIONS)
def _density_of_pair(interaction, own, j, square, allowed, width):
    if _is(interaction, Embedded):
        return _embedded_density
    return None


def _embedded_density(interaction, own, j, square, allowed, width):
    """f_b(r) of the type of the giver."""
    near, _, interval, p = _place_in_table(interaction, square, allowed)
    types_j = load(interaction.types, j * lanes(width), width)
    c0, c1, c2, c3 = rows(interaction.density, types_j * interaction.intervals + interval)
    given_by_j = select(near, cubic(c0, c1, c2, c3, p), 0)
    if interaction.number == 1:
        return given_by_j, given_by_j
    c0, c1, c2, c3 = rows(interaction.density, interval + own[0] * interaction.intervals)
    return given_by_j, select(near, cubic(c0, c1, c2, c3, p), 0)
