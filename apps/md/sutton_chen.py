"""Metals of Sutton and Chen as tables: an embedded-atom potential that needs no file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clustermark.apps.md.model import EmbeddedAtom, Floats
from clustermark.core.errors import UsageError, nearest, plain


@dataclass(frozen=True)
class SuttonChen:
    """Parameters of a metal (Sutton & Chen 1990, Philosophical Magazine Letters 61, 139, table 1).

    Attributes
    ----------
    epsilon : [eV]
    c : dimensionless
    m, n : powers of the density and the repulsion
    lattice_constant : a of the fcc crystal [Å]
    mass : [g/mol]
    """

    epsilon: float
    c: float
    m: int
    n: int
    lattice_constant: float
    mass: float


METALS: dict[str, SuttonChen] = {
    "Ni": SuttonChen(1.5707e-2, 39.432, 6, 9, 3.52, 58.6934),
    "Cu": SuttonChen(1.2382e-2, 39.432, 6, 9, 3.61, 63.546),
    "Ag": SuttonChen(2.5415e-3, 144.41, 6, 12, 4.09, 107.8682),
    "Au": SuttonChen(1.2793e-2, 34.408, 8, 10, 4.08, 196.96657),
    "Al": SuttonChen(3.3147e-2, 16.399, 6, 7, 4.05, 26.9815385),
}

# In units of a: below the first the powers go on linearly, because a table begins at r = 0; neighbours stand at 0.71.
_CORE, _CUTOFF = 0.3, 2.0

# The switch to zero begins at this part of the cutoff.
_SWITCH = 0.9

# ρ in the crystal is about 116 (m = 6) and 203 (m = 8); the table reaches to strongly compressed states.
_LARGEST_DENSITY = 1000.0


def sutton_chen(element: str = "Cu", cutoff: float | None = None, points: int = 5000) -> EmbeddedAtom:
    """Sutton & Chen 1990: E = ε[½ Σ_{i≠j} (a/r)ⁿ − c Σ_i √ρ_i], ρ_i = Σ_j (a/r)ᵐ, cut smoothly.

    From 0.9 rc to rc both powers are multiplied by 1 − 10t³ + 15t⁴ − 6t⁵, t = (r − 0.9 rc)/(0.1 rc), so that forces and
    their derivatives are continuous. The published parameters are for the endless sum: with rc = 2a the crystal is
    bound some 2 % more weakly than published. Below 0.3 a both powers go on linearly in r.

    Parameters
    ----------
    element : Ni, Cu, Ag, Au or Al
    cutoff : rc [Å]; none: 2a
    points : of the grids of r and ρ

    Raises
    ------
    UsageError : another element, a cutoff shorter than a, fewer than 100 points
    """
    if element not in METALS:
        raise UsageError(f"Sutton-Chen metal '{plain(element)}' is not known{nearest(element, METALS)}")
    metal = METALS[element]
    a = metal.lattice_constant
    end = _CUTOFF * a if cutoff is None else float(cutoff)
    if not a <= end < np.inf:
        raise UsageError(
            f"cutoff of Sutton-Chen {element} is {end:g} Å, expected {a:g} Å (its lattice constant) or more"
        )
    if points < 100:
        raise UsageError(f"points of the Sutton-Chen tables are {points}, expected 100 or more")
    r, r_spacing = np.linspace(0.0, end, points, retstep=True)
    rho, rho_spacing = np.linspace(0.0, _LARGEST_DENSITY, points, retstep=True)
    switch = _switched_off(r, end)
    return EmbeddedAtom(
        embedding=-metal.epsilon * metal.c * np.sqrt(rho)[None, :],
        density=(_power(r, a, metal.m) * switch)[None, :],
        pair=(metal.epsilon * r * _power(r, a, metal.n) * switch)[None, None, :],
        rho_spacing=float(rho_spacing),
        r_spacing=float(r_spacing),
        cutoff=end,
        masses=np.array([metal.mass]),
        elements=(element,),
    )


def _power(r: Floats, a: float, exponent: int) -> Floats:
    """(a/r)^exponent, and its tangent at the core below it."""
    core = _CORE * a
    outside = (a / np.maximum(r, core)) ** exponent
    return outside * (1.0 + exponent * np.maximum(core - r, 0.0) / core)


def _switched_off(r: Floats, end: float) -> Floats:
    """1 up to where the switch begins, then a polynomial of fifth degree down to 0 with two continuous derivatives."""
    # 1 − 10t³ + 15t⁴ − 6t⁵ is the same polynomial in u = 1 − t, 10u³ − 15u⁴ + 6u⁵, which is exactly 0 at the end.
    u = np.clip((end - r) / ((1.0 - _SWITCH) * end), 0.0, 1.0)
    return u**3 * (10.0 - 15.0 * u + 6.0 * u * u)
