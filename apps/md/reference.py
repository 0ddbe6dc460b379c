"""The slow, obvious truth in float64: every pair of atoms is looked at."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from clustermark.apps.md.model import Atoms, EmbeddedAtom, Floats, Integers, LennardJones, Potential
from clustermark.apps.md.tables import embed, evaluate, pair_table, spline_table
from clustermark.core.errors import UsageError

# Distances that are held at once: bounds the memory at some 100 MB, whatever the number of atoms.
_BLOCK = 1_000_000


@dataclass(frozen=True)
class Pairs:
    """Each pair of atoms once; two images of one atom that are both near the other are two pairs.

    Attributes
    ----------
    i, j : (m,) int64, row of the atoms, i < j
    vectors : (m, 3) float64, r_i − r_j of the image [length]
    distances : (m,) float64, their lengths
    """

    i: Integers
    j: Integers
    vectors: Floats
    distances: Floats


@dataclass(frozen=True)
class Energies:
    """What a potential gives for a configuration, without tail corrections.

    Attributes
    ----------
    potential_energy : of all atoms [energy]
    virial : Σ_pairs r·f [energy]
    forces : (n, 3) float64 [energy/length]
    pairs : how many pairs are within their cutoff
    """

    potential_energy: float
    virial: float
    forces: Floats
    pairs: int


def pairs_within(atoms: Atoms, cutoff: float) -> Pairs:
    """All pairs nearer than the cutoff, by looking at all of them, in all images that can be near enough.

    The nearest image alone where the box is two cutoffs wide, else that one and its 26 neighbours. An atom is never
    paired with its own image, which is a whole edge and so no less than the cutoff away.

    Raises
    ------
    UsageError : an edge of the box is shorter than the cutoff; two atoms are in one place
    """
    box, n = atoms.box, len(atoms.positions)
    if cutoff > box.min():
        raise UsageError(
            f"the box is {box.min():g} wide, less than the cutoff of {cutoff:g}; enlarge the box or shorten the cutoff"
        )
    near = (0,) if 2.0 * cutoff <= box.min() else (-1, 0, 1)
    shifts = [np.array(shift) * box for shift in itertools.product(near, repeat=3)]
    found: list[tuple[Integers, Integers, Floats]] = []
    rows = max(1, _BLOCK // max(n, 1))
    for start in range(0, n, rows):
        nearest_image = atoms.positions[start : start + rows, None, :] - atoms.positions[None, start:, :]
        nearest_image -= box * np.rint(nearest_image / box)
        for shift in shifts:
            vectors = nearest_image + shift
            square = np.einsum("ijd,ijd->ij", vectors, vectors)
            i, j = np.nonzero(np.triu(square < cutoff * cutoff, k=1))
            found.append((i + start, j + start, vectors[i, j]))
    i, j = (
        np.concatenate([np.empty(0, np.int64), *indices]) for indices in ([f[0] for f in found], [f[1] for f in found])
    )
    vectors = np.concatenate([np.empty((0, 3)), *(piece[2] for piece in found)])
    distances = np.sqrt(np.sum(vectors * vectors, axis=1))
    if not distances.all():
        k = int(np.argmin(distances))
        raise UsageError(
            f"atoms {atoms.ids[i[k]]} and {atoms.ids[j[k]]} are in the same place; move one of them or leave it out"
        )
    return Pairs(i, j, vectors, distances)


def pair_energy_forces(atoms: Atoms, potential: Potential) -> Energies:
    """Energy, virial and forces by a sum over all pairs, O(n²).

    Parameters
    ----------
    atoms : positions need not be wrapped
    potential : Lennard-Jones of any style, or an embedded atom

    Raises
    ------
    UsageError : as in `pairs_within`; an atom of a type that the potential does not have
    """
    types = len(potential.epsilon) if isinstance(potential, LennardJones) else len(potential.elements)
    wrong = np.flatnonzero((atoms.types < 0) | (atoms.types >= types))
    if wrong.size:
        first = wrong[0]
        raise UsageError(
            f"atom {atoms.ids[first]} is of type {atoms.types[first]}, expected 0 to {types - 1}; "
            f"give the potential its parameters"
        )
    if isinstance(potential, EmbeddedAtom):
        return _embedded_atom(atoms, potential)
    return _lennard_jones(atoms, potential)


def _lennard_jones(atoms: Atoms, potential: LennardJones) -> Energies:
    """Σ_{i<j} V(r_ij), with V written as in the textbook (Allen & Tildesley 2017, eq. 1.6)."""
    pair_table(potential)  # refuses what is no Lennard-Jones potential
    pairs = pairs_within(atoms, potential.largest_cutoff)
    a, b = atoms.types[pairs.i], atoms.types[pairs.j]
    cutoff = potential.cutoff[a, b]
    inside = pairs.distances < cutoff
    pairs = Pairs(pairs.i[inside], pairs.j[inside], pairs.vectors[inside], pairs.distances[inside])
    a, b, cutoff, r = a[inside], b[inside], cutoff[inside], pairs.distances
    epsilon, sigma = potential.epsilon[a, b], potential.sigma[a, b]

    def value(x: Floats) -> Floats:
        return 4.0 * epsilon * ((sigma / x) ** 12 - (sigma / x) ** 6)

    def slope(x: Floats) -> Floats:
        return 4.0 * epsilon * (-12.0 * (sigma / x) ** 12 + 6.0 * (sigma / x) ** 6) / x

    energy, derivative = value(r), slope(r)
    if potential.style != "cut":
        energy -= value(cutoff)
    if potential.style == "force-shifted":
        energy -= (r - cutoff) * slope(cutoff)
        derivative -= slope(cutoff)
    return _sum(pairs, float(energy.sum()), derivative, len(atoms.positions))


def _embedded_atom(atoms: Atoms, potential: EmbeddedAtom) -> Energies:
    """E = Σ_i F_i(ρ_i) + ½ Σ_{i≠j} φ_ij(R_ij), ρ_i = Σ_{j≠i} f_j(R_ij) (Daw & Baskes 1984, section II).

    A pair's share of the force is −dψ/dr with ψ' = F_i'(ρ_i) f_j' + F_j'(ρ_j) f_i' + φ'.
    """
    table = spline_table(potential)
    pairs = pairs_within(atoms, potential.cutoff)
    n, r = len(atoms.positions), pairs.distances
    a, b = atoms.types[pairs.i], atoms.types[pairs.j]
    density_a, density_slope_a = evaluate(table.density, table.r_spacing_inverse, r, a)
    density_b, density_slope_b = evaluate(table.density, table.r_spacing_inverse, r, b)
    densities = _per_atom(pairs.i, density_b, n) + _per_atom(pairs.j, density_a, n)
    embedding, embedding_slope = embed(table, densities, atoms.types)
    z, z_slope = evaluate(table.pair, table.r_spacing_inverse, r, a, b)
    phi = z / r
    phi_slope = (z_slope - phi) / r
    derivative = embedding_slope[pairs.i] * density_slope_b + embedding_slope[pairs.j] * density_slope_a + phi_slope
    return _sum(pairs, float(embedding.sum() + phi.sum()), derivative, n)


def _sum(pairs: Pairs, energy: float, derivative: Floats, n: int) -> Energies:
    """Forces and virial of pairs with dE/dr each."""
    on_i = (-derivative / pairs.distances)[:, None] * pairs.vectors
    forces = np.stack([_per_atom(pairs.i, on_i[:, d], n) - _per_atom(pairs.j, on_i[:, d], n) for d in range(3)], axis=1)
    return Energies(energy, float(-np.sum(derivative * pairs.distances)), forces, len(pairs.distances))


def _per_atom(atoms: Integers, shares: Floats, n: int) -> Floats:
    """Sum of the shares of each atom."""
    return np.bincount(atoms, shares, n).astype(np.float64)


def radial_distribution(atoms: Atoms, bins: int, r_max: float) -> tuple[Floats, Floats]:
    """g(r) by brute force: pairs per shell over those of an ideal gas, N²/2V · 4π(r₂³ − r₁³)/3.

    Parameters
    ----------
    bins : shells of equal thickness
    r_max : end of the last shell [length], no more than the shortest edge of the box

    Returns
    -------
    (r, g) : (bins,) float64 each, r in the middle of the shells
    """
    edges = np.linspace(0.0, r_max, bins + 1)
    counts, _ = np.histogram(pairs_within(atoms, r_max).distances, edges)
    shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    ideal = 0.5 * len(atoms.positions) ** 2 / np.prod(atoms.box) * shells
    return 0.5 * (edges[1:] + edges[:-1]), counts / ideal
