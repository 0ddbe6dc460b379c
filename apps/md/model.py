"""What a simulation is given: atoms, masses, a potential, units; plain data, checked elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Units:
    """Conversion factors of a unit system, in the sense of LAMMPS' `units`.

    Attributes
    ----------
    name : "lj" (reduced) or "metal" (Å, eV, ps, g/mol, K, bar)
    boltzmann : k_B [energy/temperature]
    mass_velocity2 : energy of one mass × velocity²
    pressure : pressure of one energy/volume
    names : quantity → unit for people ("length" → "Å"; reduced units are "σ", "ε", "τ" …)
    """

    name: str
    boltzmann: float
    mass_velocity2: float
    pressure: float
    names: dict[str, str]


_REDUCED = {"length": "σ", "energy": "ε", "time": "τ", "temperature": "ε/k_B", "pressure": "ε/σ³", "mass": "m"}
_METAL = {"length": "Å", "energy": "eV", "time": "ps", "temperature": "K", "pressure": "bar", "mass": "g/mol"}

# Constants of "metal": CODATA 1998 as LAMMPS' update.cpp has them, so that its thermo output is met digit by digit.
UNITS: dict[str, Units] = {
    "lj": Units("lj", 1.0, 1.0, 1.0, _REDUCED),
    "metal": Units("metal", 8.617343e-5, 1.0364269e-4, 1.6021765e6, _METAL),
}


@dataclass(frozen=True)
class Atoms:
    """A configuration in an orthorhombic periodic box with its origin at 0.

    Attributes
    ----------
    positions : (n, 3) float64, [length], wrapped into the box
    velocities : (n, 3) float64, [length/time]
    ids : (n,) int64, unique, from 1 on as in LAMMPS
    types : (n,) int32, from 0 on; index into masses and pair tables
    box : (3,) float64, edge lengths [length]
    """

    positions: Floats
    velocities: Floats
    ids: Integers
    types: npt.NDArray[np.int32]
    box: Floats


@dataclass(frozen=True)
class LennardJones:
    """V(r) = 4ε[(σ/r)¹² − (σ/r)⁶] for r < cutoff, per pair of types.

    Attributes
    ----------
    epsilon, sigma, cutoff : (t, t) float64, symmetric
    style : "cut"; "shifted": V(r) − V(rc); "force-shifted": V(r) − V(rc) − (r − rc) V'(rc)
    tail : add the homogeneous long-range correction of energy and virial (Allen & Tildesley 2017, 2.8)
    """

    epsilon: Floats
    sigma: Floats
    cutoff: Floats
    style: str = "cut"
    tail: bool = False

    @property
    def largest_cutoff(self) -> float:
        """Longest range of any pair [length]."""
        return float(self.cutoff.max())


@dataclass(frozen=True)
class EmbeddedAtom:
    """E = Σ F_a(ρ_i) + Σ_{i<j} φ_ab(r), ρ_i = Σ_j f_b(r_ij) (Daw & Baskes 1984); cubic splines on uniform grids.

    Grid point k stands at k·spacing (r: k = 0 … points−1; the table of φ holds r·φ, as setfl files do).

    Attributes
    ----------
    embedding : (t, rho_points) F(ρ) [energy]
    density : (t, r_points) f(r) of the atom that gives the density
    pair : (t, t, r_points) r·φ(r) [energy·length], symmetric
    rho_spacing, r_spacing, cutoff : of the grids [length]
    masses : (t,) as the file says
    elements : names, one per type
    """

    embedding: Floats
    density: Floats
    pair: Floats
    rho_spacing: float
    r_spacing: float
    cutoff: float
    masses: Floats
    elements: tuple[str, ...]

    @property
    def largest_cutoff(self) -> float:
        """Range of the pair term and the density [length]."""
        return self.cutoff


Potential = LennardJones | EmbeddedAtom


@dataclass(frozen=True)
class ListRule:
    """When the pair list is rebuilt.

    Attributes
    ----------
    skin : [length] added to the cutoff
    every : look at (or rebuild) every so many steps
    check : rebuild only if an atom has moved more than skin/2 since the last time; False: always (the benchmark mode)
    """

    skin: float
    every: int = 1
    check: bool = True


@dataclass(frozen=True)
class Thermo:
    """One row of thermodynamic output; energies are totals, not per atom.

    `pressure` = (N−1)·k_B·T/V + virial/(3V), `virial` = Σ_pairs r·f, `temperature` = 2K/(3(N−1)k_B), as in LAMMPS.
    """

    step: int
    temperature: float
    potential_energy: float
    kinetic_energy: float
    total_energy: float
    virial: float
    pressure: float
