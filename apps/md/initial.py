"""Initial conditions: face-centred cubic lattices and velocities of a given temperature.

Sites and velocities are functions of the global id, so that a rank makes its own share and any number of ranks makes
the same system, bit by bit.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clustermark.apps.md.model import Floats, Integers, Units
from clustermark.core.errors import UsageError
from clustermark.devices.counter_rng import VELOCITIES, fill_normals

# Sums are exact in integer multiples of a unit of 2⁻³⁰ and one of 2⁻⁶⁰ of the largest term; 2³⁰ terms fit an int64 sum.
_DIGITS = 30


def fcc_lattice(cells: tuple[int, int, int], constant: float) -> tuple[Floats, Floats]:
    """Face-centred cubic lattice: 4 atoms a cell at (0,0,0), (½,½,0), (½,0,½), (0,½,½) (Allen & Tildesley 2017, 5.6).

    Atom k has id k + 1; the four atoms of a cell follow each other, cells run along x first, then y, then z.

    Parameters
    ----------
    cells : unit cells in each direction, ≥ 1
    constant : edge of the unit cell [length]

    Returns
    -------
    positions : (4·cells, 3) float64 [length], in [0, box)
    box : (3,) float64 [length]

    Raises
    ------
    UsageError : no cells, or a constant that is not positive and finite
    """
    box = np.array(cells, dtype=np.float64) * constant
    _, positions = fcc_sites_in_brick(cells, constant, np.zeros(3), box)
    return positions, box


def fcc_sites_in_brick(
    cells: tuple[int, int, int], constant: float, low: Floats, high: Floats
) -> tuple[Integers, Floats]:
    """The sites of `fcc_lattice` with low ≤ r < high; bricks that tile the box get each site once.

    Parameters
    ----------
    cells, constant : as for `fcc_lattice`
    low, high : (3,) float64, corners of the brick [length]

    Returns
    -------
    ids : (n,) int64, global, from 1 on, ascending
    positions : (n, 3) float64 [length], the same bits as in the whole lattice

    Raises
    ------
    UsageError : as for `fcc_lattice`
    """
    _check_lattice(cells, constant)
    # Sites stand on the grid of half the constant where the three indices have an even sum.
    inside = []
    for dimension in range(3):
        coordinates = np.arange(2 * cells[dimension]) * (constant / 2)
        inside.append(np.flatnonzero((low[dimension] <= coordinates) & (coordinates < high[dimension])))
    z, y, x = (axis.ravel() for axis in np.meshgrid(inside[2], inside[1], inside[0], indexing="ij"))
    even = (x + y + z) % 2 == 0
    x, y, z = x[even], y[even], z[even]
    cell = ((z // 2) * cells[1] + y // 2) * cells[0] + x // 2
    ids = 4 * cell + y % 2 + 2 * (z % 2) + 1
    order = np.argsort(ids)
    positions = np.stack((x, y, z), axis=1)[order] * (constant / 2)
    return ids[order].astype(np.int64), positions


def _check_lattice(cells: tuple[int, int, int], constant: float) -> None:
    if len(cells) != 3 or min(cells) < 1:
        raise UsageError(f"fcc lattice: cells = {list(cells)}: expected three whole numbers of at least 1; give more")
    if not (math.isfinite(constant) and constant > 0):
        raise UsageError(f"fcc lattice: constant = {constant}: expected a positive length; give the cell's edge")


def draw_velocities(ids: Integers, masses: Floats, temperature: float, units: Units, seed: int) -> Floats:
    """Maxwell–Boltzmann velocities with no total momentum and exactly T = 2K/(3(N−1)k_B).

    Parameters
    ----------
    ids : (n,) int64, all atoms, in any order: an atom's deviates depend on its id and the seed alone
    masses : (n,) float64, one per atom [mass]
    temperature : [temperature]
    units : of the system
    seed : 0 ≤ seed < 2⁶³

    Returns
    -------
    (n, 3) float64 [length/time]

    Raises
    ------
    UsageError : a temperature that is negative or not finite; one atom alone, which cannot have a temperature
    """
    velocities = maxwell_velocities(ids, masses, temperature, units, seed)
    return center_and_scale(velocities, masses, temperature, units, None)


def maxwell_velocities(ids: Integers, masses: Floats, temperature: float, units: Units, seed: int) -> Floats:
    """v = √(k_B T/m) ξ with normal deviates ξ keyed by (seed, id): a rank's share, before `center_and_scale`.

    Parameters, returns and errors as for `draw_velocities`; ids and masses of the atoms at hand.
    """
    _check_temperature(temperature)
    deviates = np.empty((3, len(ids)))
    fill_normals(deviates, np.ascontiguousarray(ids, dtype=np.int64), seed, 0, VELOCITIES)
    return np.ascontiguousarray(deviates.T) * np.sqrt(_thermal_square(temperature, units) / masses)[:, None]


def center_and_scale(velocities: Floats, masses: Floats, temperature: float, units: Units, comm: Any) -> Floats:
    """Take the mean flow away, then scale to exactly T = 2K/(3(N−1)k_B) over all ranks.

    The sums over atoms are exact, so the result is the same, bit by bit, for every decomposition.

    Parameters
    ----------
    velocities : (n, 3) float64 [length/time], this rank's atoms; unchanged
    masses : (n,) float64 [mass]
    temperature : [temperature]; 0 gives atoms at rest
    units : of the system
    comm : mpi4py communicator, or None for one rank; collective

    Returns
    -------
    (n, 3) float64 [length/time]

    Raises
    ------
    UsageError : on all ranks, as for `draw_velocities`
    """
    _check_temperature(temperature)
    atoms = len(masses) if comm is None else comm.allreduce(len(masses))
    if temperature == 0 or atoms == 0:
        return np.zeros_like(velocities)
    if atoms == 1:
        raise UsageError("one atom without total momentum is at rest: give more atoms, or temperature = 0")
    mass = exact_sum(masses, comm)
    flow = [exact_sum(masses * velocities[:, d], comm) / mass for d in range(3)]
    centred = velocities - np.array(flow)
    squares = centred[:, 0] ** 2 + centred[:, 1] ** 2 + centred[:, 2] ** 2
    twice_kinetic = exact_sum(masses * squares, comm)
    if twice_kinetic == 0:
        raise UsageError("all atoms have the same velocity, which no factor scales to a temperature: draw velocities")
    return centred * math.sqrt(3 * (atoms - 1) * _thermal_square(temperature, units) / twice_kinetic)


def exact_sum(terms: Floats, comm: Any) -> float:
    """Sum over all ranks' terms that depends on neither their order nor their place.

    Each term is cut into two integers of 30 bits, in units that follow from the largest magnitude of all; integers
    add exactly. What lies below 2⁻⁶⁰ of the largest term is dropped, from each term alike wherever it stands.

    Parameters
    ----------
    terms : (n,) float64, finite, n < 2³⁰
    comm : mpi4py communicator, or None for one rank; collective

    Returns
    -------
    float, the same bits on all ranks
    """
    largest = float(np.abs(terms).max(initial=0.0))
    if comm is not None:
        largest = max(comm.allgather(largest))
    if largest == 0:
        return 0.0
    _, exponent = math.frexp(largest)
    scaled = np.ldexp(terms, _DIGITS - exponent)
    high = np.rint(scaled)
    low = np.rint(np.ldexp(scaled - high, _DIGITS))
    total = (int(high.astype(np.int64).sum()) << _DIGITS) + int(low.astype(np.int64).sum())
    if comm is not None:
        total = comm.allreduce(total)
    return math.ldexp(float(total), exponent - 2 * _DIGITS)


def _check_temperature(temperature: float) -> None:
    if not (math.isfinite(temperature) and temperature >= 0):
        raise UsageError(f"temperature = {temperature}: expected a finite number of at least 0; give the temperature")


def _thermal_square(temperature: float, units: Units) -> float:
    """k_B T ÷ mass, as velocity² × mass."""
    return units.boltzmann * temperature / units.mass_velocity2
