"""Configurations and potentials of the tests of the physics, the same on every machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.apps.md.model import Atoms, EmbeddedAtom, Floats, LennardJones
from clustermark.apps.md.sutton_chen import sutton_chen
from clustermark.apps.md.tables import lorentz_berthelot

DATA = Path(__file__).parent / "data"
POTENTIALS = Path("/usr/share/lammps/potentials")


def atoms_of(positions: npt.NDArray[Any], box: npt.ArrayLike, types: npt.ArrayLike | None = None) -> Atoms:
    """Atoms at rest, numbered from 1 on, of type 0 unless told otherwise."""
    n = len(positions)
    edges = np.broadcast_to(np.asarray(box, dtype=np.float64), 3).copy()
    kinds = np.zeros(n, dtype=np.int32) if types is None else np.asarray(types, dtype=np.int32)
    return Atoms(positions % edges, np.zeros((n, 3)), np.arange(1, n + 1, dtype=np.int64), kinds, edges)


def fcc(cells: tuple[int, int, int], lattice_constant: float) -> Atoms:
    """A perfect face-centred cubic crystal."""
    basis = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.5, 0.0, 0.5], [0.0, 0.5, 0.5]])
    corners = np.stack(np.meshgrid(*map(np.arange, cells), indexing="ij"), axis=-1).reshape(-1, 1, 3)
    return atoms_of(lattice_constant * (corners + basis).reshape(-1, 3), np.array(cells) * lattice_constant)


def disturbed(atoms: Atoms, amplitude: float, types: int = 1, seed: int = 12345) -> Atoms:
    """Each coordinate moved by up to the amplitude, types drawn: by the generator that NumPy has frozen for ever."""
    random = np.random.RandomState(seed)
    moved = atoms.positions + random.uniform(-amplitude, amplitude, atoms.positions.shape)
    kinds = random.randint(0, types, len(moved))
    return replace(atoms_of(moved, atoms.box, kinds), ids=atoms.ids)


def nist(configuration: int) -> Atoms:
    """A sample configuration of NIST's Lennard-Jones reference calculations."""
    edge = {1: 10.0, 4: 8.0}[configuration]
    path = DATA / f"nist_lj_config{configuration}.csv"
    return atoms_of(np.loadtxt(path, delimiter=",", skiprows=3), edge)


def melt(step: int) -> tuple[Atoms, Floats | None]:
    """LAMMPS' bench/in.lj with 4,000 atoms at step 0 or 1000, and LAMMPS' forces where they are not zero."""
    with np.load(DATA / f"lj_melt_4000_step{step}.npz") as file:
        atoms = atoms_of(file["x"], file["L"])
        return replace(atoms, velocities=file["v"]), file["f"] if step else None


def one_type(cutoff: float, style: str = "cut", tail: bool = False) -> LennardJones:
    """Lennard-Jones with ε = σ = 1."""
    one = np.ones((1, 1))
    return LennardJones(one, one, cutoff * one, style, tail)


def two_types(style: str = "cut", tail: bool = False) -> LennardJones:
    """A mixture whose pairs all differ, also in their cutoff."""
    epsilon, sigma = lorentz_berthelot([1.0, 0.6], [1.0, 0.85])
    cutoff = np.array([[2.5, 2.2], [2.2, 1.9]])
    return LennardJones(epsilon, sigma, cutoff, style, tail)


def two_metals(points: int = 400) -> EmbeddedAtom:
    """Copper and silver of Sutton and Chen on one coarse grid; no real alloy, but all functions differ."""
    copper, silver = (sutton_chen(name, cutoff=6.0, points=points) for name in ("Cu", "Ag"))
    mixed = np.sqrt(copper.pair[0, 0] * silver.pair[0, 0])
    return EmbeddedAtom(
        embedding=np.concatenate([copper.embedding, silver.embedding]),
        density=np.concatenate([copper.density, silver.density]),
        pair=np.array([[copper.pair[0, 0], mixed], [mixed, silver.pair[0, 0]]]),
        rho_spacing=copper.rho_spacing,
        r_spacing=copper.r_spacing,
        cutoff=copper.cutoff,
        masses=np.concatenate([copper.masses, silver.masses]),
        elements=("Cu", "Ag"),
    )
