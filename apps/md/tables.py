"""The parameters of a potential as plain arrays that kernels index by type and by interval."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clustermark.apps.md.model import EmbeddedAtom, Floats, LennardJones, Potential
from clustermark.apps.md.physics import cubic, cubic_slope, lennard_jones
from clustermark.core.errors import UsageError, nearest, plain

STYLES = ("cut", "shifted", "force-shifted")

# Slopes by differences of fourth order take two grid points on either side.
FEWEST_POINTS = 5


@dataclass(frozen=True)
class PairTable:
    """What `physics.lennard_jones` and `lennard_jones_force_shifted` take, per pair of types.

    Attributes
    ----------
    force_12, force_6 : (t, t) float64, 48εσ¹² [energy·length¹²], 24εσ⁶ [energy·length⁶]
    energy_12, energy_6 : (t, t) float64, 4εσ¹², 4εσ⁶
    cutoff, cutoff_square : (t, t) float64 [length], [length²]
    offset : (t, t) float64 [energy], to subtract: 0 in "cut", V(rc) in "shifted", V(rc) − rc·V'(rc) in "force-shifted"
    slope : (t, t) float64, V'(rc) for "force-shifted", else 0 [energy/length]
    style : of the potential
    """

    force_12: Floats
    force_6: Floats
    energy_12: Floats
    energy_6: Floats
    cutoff: Floats
    cutoff_square: Floats
    offset: Floats
    slope: Floats
    style: str


@dataclass(frozen=True)
class SplineTable:
    """The functions of an EmbeddedAtom as cubics, one row of c0 … c3 per grid interval.

    With m = min(int(x·spacing_inverse), intervals − 1) and p = min(x·spacing_inverse − m, 1) a function is
    `physics.cubic(c0, c1, c2, c3, p)` and its derivative `physics.cubic_slope(c1, c2, c3, p, spacing_inverse)`.

    Attributes
    ----------
    density : (t, r_intervals, 4) float64, f(r) of the atom that gives the density
    pair : (t, t, r_intervals, 4) float64, z₂(r) = r·φ(r); φ = z₂/r and φ' = (z₂' − φ)/r
    embedding : (t, rho_intervals, 4) float64, F(ρ)
    r_spacing_inverse, rho_spacing_inverse : 1/spacing of the grids
    largest_density : end of the grid of ρ; beyond it F goes on linearly: F(end) + F'(end)·(ρ − end)
    cutoff, cutoff_square : [length], [length²]
    """

    density: Floats
    pair: Floats
    embedding: Floats
    r_spacing_inverse: float
    rho_spacing_inverse: float
    largest_density: float
    cutoff: float
    cutoff_square: float


def lorentz_berthelot(epsilon: npt.ArrayLike, sigma: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Lorentz-Berthelot mixing: ε_ab = √(ε_a·ε_b), σ_ab = (σ_a + σ_b)/2 (Allen & Tildesley 2017, 1.3.2).

    Parameters
    ----------
    epsilon, sigma : (t,) of the pure types

    Returns
    -------
    (epsilon, sigma) : (t, t) float64 each
    """
    pure_epsilon, pure_sigma = np.asarray(epsilon, dtype=np.float64), np.asarray(sigma, dtype=np.float64)
    return np.sqrt(np.outer(pure_epsilon, pure_epsilon)), 0.5 * np.add.outer(pure_sigma, pure_sigma)


def pair_table(potential: LennardJones) -> PairTable:
    """Coefficients of `physics.lennard_jones` per pair of types, with what the style subtracts.

    Raises
    ------
    UsageError : an unknown style, or parameters that are not symmetric, square and positive
    """
    if potential.style not in STYLES:
        raise UsageError(
            f"potential style '{plain(potential.style)}' is not known{nearest(potential.style, STYLES)}; "
            f"use {', '.join(STYLES)}"
        )
    epsilon, sigma, cutoff = (_checked(potential, name) for name in ("epsilon", "sigma", "cutoff"))
    energy_12, energy_6 = 4.0 * epsilon * sigma**12, 4.0 * epsilon * sigma**6
    force_12, force_6 = 12.0 * energy_12, 6.0 * energy_6
    force_over_r, energy = lennard_jones(cutoff**-2.0, force_12, force_6, energy_12, energy_6)
    slope = -cutoff * force_over_r if potential.style == "force-shifted" else np.zeros_like(cutoff)
    offset = np.zeros_like(cutoff) if potential.style == "cut" else energy - cutoff * slope
    return PairTable(
        force_12, force_6, energy_12, energy_6, cutoff, cutoff * cutoff, offset, slope, style=potential.style
    )


def _checked(potential: LennardJones, name: str) -> Floats:
    values = np.asarray(getattr(potential, name), dtype=np.float64)
    types = len(np.atleast_1d(potential.epsilon))
    if values.shape != (types, types):
        raise UsageError(
            f"{name} has the shape {values.shape}, expected ({types}, {types}): one value per pair of types"
        )
    good = np.isfinite(values) & (values >= 0.0 if name == "epsilon" else values > 0.0)
    if not good.all():
        a, b = np.argwhere(~good)[0]
        raise UsageError(f"{name} of types {a} and {b} is {values[a, b]:g}, expected a positive number")
    if not np.array_equal(values, values.T):
        a, b = np.argwhere(values != values.T)[0]
        raise UsageError(
            f"{name} of types {a} and {b} is {values[a, b]:g}, of types {b} and {a} {values[b, a]:g}; "
            f"give one value for both"
        )
    return values


def tail_corrections(potential: Potential, counts_per_type: npt.ArrayLike, volume: float) -> tuple[float, float]:
    """Homogeneous long-range correction of energy and virial (Allen & Tildesley 2017, eq. 2.144 ff).

    What the sums over pairs leave out, with g(r) = 1 wherever the potential that is summed, V_s, differs from V:

        E = (2π/volume) Σ_ab N_a N_b ∫ r² (V − V_s) dr,    W = −(2π/volume) Σ_ab N_a N_b ∫ r³ (V − V_s)' dr

    "cut" has V_s = 0 beyond rc, which gives the textbook's terms (A = 4εσ¹², B = 4εσ⁶)

        ∫ r² V dr = A/(9 rc⁹) − B/(3 rc³),    −∫ r³ V' dr = 12A/(9 rc⁹) − 6B/(3 rc³)

    "shifted" and "force-shifted" also lack offset + slope·r inside rc, which adds offset·rc³/3 + slope·rc⁴/4 to the
    first and −slope·rc⁴/4 to the second: the corrected energy estimates the whole potential in every style, and for
    these two W = 3E holds, as it must where V_s is continuous. g = 1 is a coarser guess inside rc than beyond it.

    Parameters
    ----------
    potential : corrections are zero unless its `tail` is true, and for EmbeddedAtom
    counts_per_type : (t,) atoms of each type
    volume : of the box [length³]

    Returns
    -------
    (energy, virial) : of the whole system; the pressure gains virial/(3·volume)
    """
    if not isinstance(potential, LennardJones) or not potential.tail:
        return 0.0, 0.0
    table = pair_table(potential)
    counts = np.asarray(counts_per_type, dtype=np.float64)
    weights = 2.0 * np.pi / volume * np.outer(counts, counts)
    twelve, six = table.energy_12 / (9.0 * table.cutoff**9), table.energy_6 / (3.0 * table.cutoff**3)
    sloped = table.slope * table.cutoff**4 / 4.0
    energy = twelve - six + table.offset * table.cutoff**3 / 3.0 + sloped
    virial = 12.0 * twelve - 6.0 * six - sloped
    return float(np.sum(weights * energy)), float(np.sum(weights * virial))


def spline_coefficients(values: Floats) -> Floats:
    """Hermite cubics through values on a uniform grid, slopes by differences of fourth order.

    Slopes per spacing: ((y₋₂ − y₊₂) + 8(y₊₁ − y₋₁))/12, next to the ends (y₊₁ − y₋₁)/2, at the ends y₊₁ − y, y − y₋₁:
    the interpolation of LAMMPS' pair_style eam, so that the same file gives the same forces.

    Parameters
    ----------
    values : (…, n) float64, n ≥ 5

    Returns
    -------
    (…, n − 1, 4) float64 : c0 … c3 of each interval, for p from 0 to 1
    """
    y = np.asarray(values, dtype=np.float64)
    s = np.empty_like(y)
    s[..., 0], s[..., -1] = y[..., 1] - y[..., 0], y[..., -1] - y[..., -2]
    s[..., 1], s[..., -2] = 0.5 * (y[..., 2] - y[..., 0]), 0.5 * (y[..., -1] - y[..., -3])
    s[..., 2:-2] = ((y[..., :-4] - y[..., 4:]) + 8.0 * (y[..., 3:-1] - y[..., 1:-3])) / 12.0
    left, right, rise = s[..., :-1], s[..., 1:], y[..., 1:] - y[..., :-1]
    return np.stack([y[..., :-1], left, 3.0 * rise - 2.0 * left - right, left + right - 2.0 * rise], axis=-1)


def spline_table(potential: EmbeddedAtom) -> SplineTable:
    """Splines of all functions of an embedded-atom potential, in the layout of the kernels.

    Raises
    ------
    UsageError : fewer grid points than the interpolation takes
    """
    fewest = min(potential.density.shape[-1], potential.embedding.shape[-1])
    if fewest < FEWEST_POINTS:
        raise UsageError(
            f"a table of the embedded-atom potential has {fewest} points, expected {FEWEST_POINTS} or more"
        )
    return SplineTable(
        density=spline_coefficients(potential.density),
        pair=spline_coefficients(potential.pair),
        embedding=spline_coefficients(potential.embedding),
        r_spacing_inverse=1.0 / potential.r_spacing,
        rho_spacing_inverse=1.0 / potential.rho_spacing,
        largest_density=(potential.embedding.shape[-1] - 1) * potential.rho_spacing,
        cutoff=potential.cutoff,
        cutoff_square=potential.cutoff * potential.cutoff,
    )


def evaluate(
    coefficients: Floats, spacing_inverse: float, arguments: Floats, *functions: npt.NDArray[np.integer]
) -> tuple[Floats, Floats]:
    """Values and slopes of tabulated functions, the way a kernel finds them.

    Parameters
    ----------
    coefficients : (t, intervals, 4) or (t, t, intervals, 4) float64, of a SplineTable
    spacing_inverse : of its grid
    arguments : (n,) float64
    functions : (n,) type of each argument, or (n,) types a and b

    Returns
    -------
    (values, slopes) : (n,) float64 each; beyond the grid those of its end
    """
    scaled = arguments * spacing_inverse
    interval = np.clip(scaled.astype(np.int64), 0, coefficients.shape[-2] - 1)
    p = np.minimum(scaled - interval, 1.0)
    c0, c1, c2, c3 = np.moveaxis(coefficients[(*functions, interval)], -1, 0)
    return cubic(c0, c1, c2, c3, p), cubic_slope(c1, c2, c3, p, spacing_inverse)


def embed(table: SplineTable, densities: Floats, types: npt.NDArray[np.integer]) -> tuple[Floats, Floats]:
    """F(ρ) and F'(ρ) of each atom; linear beyond the end of the grid.

    Parameters
    ----------
    densities, types : (n,) of each atom

    Returns
    -------
    (energies, slopes) : (n,) float64 each
    """
    values, slopes = evaluate(table.embedding, table.rho_spacing_inverse, densities, types)
    return values + slopes * np.maximum(densities - table.largest_density, 0.0), slopes
