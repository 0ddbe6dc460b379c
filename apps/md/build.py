"""From a checked input to the setup of an engine: atoms, masses, potential."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from clustermark.apps.console.parallel import on_root, shared
from clustermark.apps.md.input_file import Input, PotentialInput, SystemInput
from clustermark.apps.md.model import UNITS, Atoms, EmbeddedAtom, Floats, LennardJones, ListRule, Potential, Units
from clustermark.apps.md.restart import all_atoms, read_restart, same_run
from clustermark.apps.md.setup import Ensemble, Setup, physics
from clustermark.apps.md.structures import Structure, read_structure
from clustermark.core.errors import UsageError, plain


def make_setup(data: Input, comm: Any) -> Setup:
    """Everything of a simulation before its first step; called on all ranks.

    Rank 0 alone reads the atoms, or the restart file and hands every rank its state.

    Raises
    ------
    UsageError : on all ranks, for files that cannot be read or do not fit the input
    """
    potential, masses, elements = shared(comm, lambda: _interaction(data))
    ensemble = data.ensemble
    setup = Setup(
        atoms=None,
        state=None,
        masses=masses,
        elements=elements,
        potential=potential,
        units=UNITS[data.units],
        cutoff=potential.largest_cutoff,
        rule=ListRule(data.list.skin, data.list.every, data.list.check),
        timestep=data.run.timestep,
        ensemble=Ensemble(
            ensemble.kind, ensemble.temperature or 0.0, ensemble.time or 0.0, ensemble.seed if ensemble.time else 0
        ),
        precision=data.precision,
        overlap=data.overlap,
        device=data.device,
    )
    if data.restart.read:
        return _restarted(data, setup, comm)
    atoms = on_root(comm, lambda: _checked(_atoms(data, elements, masses, setup.units), setup))
    return replace(setup, atoms=atoms)


def _restarted(data: Input, setup: Setup, comm: Any) -> Setup:
    """The setup with the atoms of a restart file: each rank's own state, or all of them on rank 0."""
    path = Path(data.restart.read)
    ranks = 1 if comm is None else comm.size

    def read() -> tuple[int, Any]:
        restart = read_restart(path)
        if not data.restart.redistribute:
            same_run(restart, physics(setup), ranks, plain(str(path), 200))
            return restart.step, restart.states
        if restart.elements != setup.elements:
            raise UsageError(
                f"restart {plain(str(path), 200)}: has the types {plain(' '.join(restart.elements))}, the input "
                f"{' '.join(setup.elements)}; set system.elements to those of the file"
            )
        return restart.step, _checked(all_atoms(restart), setup)

    found = on_root(comm, read)
    step = found[0] if found else 0
    if data.restart.redistribute:
        step = step if comm is None else comm.bcast(step, 0)
        return replace(setup, atoms=found[1] if found else None, first_step=step)
    if comm is None:
        assert found is not None
        state = found[1][0]
    else:
        state = comm.scatter(found[1] if found else None, 0)
    return replace(setup, state=state, first_step=state.step)


def _interaction(data: Input) -> tuple[Potential, Floats, tuple[str, ...]]:
    """Potential, masses per type, and names of the types."""
    if data.potential.kind == "lj":
        elements = data.system.elements or ("X",)
        potential: Potential = _lennard_jones(data.potential, elements)
        given = data.system.masses or (1.0,)
    else:
        embedded = _embedded_atom(data.potential)
        potential, elements = embedded, embedded.elements
        given = data.system.masses or tuple(embedded.masses)
    masses = np.array(given if len(given) == len(elements) else given * len(elements), dtype=np.float64)
    return potential, masses, elements


def _embedded_atom(potential: PotentialInput) -> EmbeddedAtom:
    assert potential.elements is not None
    if potential.kind == "sutton-chen":
        from clustermark.apps.md.sutton_chen import sutton_chen

        return sutton_chen(potential.elements[0], potential.cutoff)
    from clustermark.apps.md.eam_files import read_eam

    assert potential.files is not None
    return read_eam(list(potential.files), potential.elements)


def _lennard_jones(potential: PotentialInput, elements: tuple[str, ...]) -> LennardJones:
    """Mixed by Lorentz and Berthelot from the values per type, then the pairs with values of their own."""
    from clustermark.apps.md.tables import lorentz_berthelot

    count = len(elements)
    pure = [
        np.array(v if len(v) == count else v * count) for v in (potential.epsilon or (1.0,), potential.sigma or (1.0,))
    ]
    epsilon, sigma = (np.array(table, dtype=np.float64) for table in lorentz_berthelot(pure[0], pure[1]))
    cutoff = np.full((count, count), potential.cutoff or 0.0)
    for pair in potential.pairs or ():
        a, b = (elements.index(name) for name in pair.types)
        epsilon[a, b] = epsilon[b, a] = pair.epsilon
        sigma[a, b] = sigma[b, a] = pair.sigma
        cutoff[a, b] = cutoff[b, a] = pair.cutoff if pair.cutoff is not None else cutoff[a, b]
    return LennardJones(epsilon, sigma, cutoff, potential.style, potential.tail)


def _atoms(data: Input, elements: tuple[str, ...], masses: Floats, units: Units) -> Atoms:
    """The atoms of `[system]` with their velocities."""
    from clustermark.apps.md.initial import draw_velocities

    system = data.system
    moving = system.temperature
    if system.file:
        structure = read_structure(Path(system.file), data.units)
        atoms = _typed(structure, elements, system.file)
    else:
        atoms = _lattice(system, elements)
    if moving is None:
        return atoms
    velocities = draw_velocities(atoms.ids, masses[atoms.types], moving, units, system.seed)
    return replace(atoms, velocities=velocities)


def _lattice(system: SystemInput, elements: tuple[str, ...]) -> Atoms:
    """Atoms at rest on a face-centred cubic lattice, their types drawn to the shares that were asked."""
    from clustermark.apps.md.initial import fcc_lattice

    assert system.cells is not None
    constant = system.constant if system.constant is not None else (4.0 / (system.density or 1.0)) ** (1.0 / 3.0)
    positions, box = fcc_lattice(system.cells, constant)
    count = len(positions)
    types = np.zeros(count, dtype=np.int32)
    if len(elements) > 1 and system.fractions is not None:
        ends = np.rint(np.cumsum(system.fractions) * count).astype(np.int64)
        types = np.searchsorted(ends[:-1], np.arange(count), side="right").astype(np.int32)
        np.random.Generator(np.random.Philox(system.seed)).shuffle(types)
    ids = np.arange(1, count + 1, dtype=np.int64)
    return Atoms(positions, np.zeros((count, 3)), ids, types, box)


def _typed(structure: Structure, elements: tuple[str, ...], where: str) -> Atoms:
    """The atoms of a file with types in the order of `elements`; a single type without a name takes any."""
    found = structure.elements
    if elements == ("X",) and len(found) == 1:
        return structure.atoms
    stray = next((name for name in found if name not in elements), None)
    if stray is not None:
        raise UsageError(
            f"{plain(where, 200)}: has atoms of '{plain(stray)}', the types are {', '.join(elements)}; "
            f"set system.elements to the names in the file"
        )
    numbers = np.array([elements.index(name) for name in found], dtype=np.int32)
    return replace(structure.atoms, types=numbers[structure.atoms.types])


def _checked(atoms: Atoms, setup: Setup) -> Atoms:
    """The atoms, if they are enough for a temperature and their box holds the range of the pair list."""
    if len(atoms.ids) < 2:
        raise UsageError("the system has one atom, which has neither pairs nor a temperature; give at least two")
    reach = setup.cutoff + setup.rule.skin
    if atoms.box.min() < reach:
        raise UsageError(
            f"the box's shortest edge is {atoms.box.min():g}, below cutoff + list.skin = {reach:g}; "
            f"enlarge the box, or shorten the cutoff or the skin"
        )
    return atoms
