"""What the engine computes of one configuration: published numbers, LAMMPS' forces, the sum over all pairs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from engine_examples import LANES, PRECISIONS, engine, forces_of_engine
from physics_examples import POTENTIALS, disturbed, fcc, melt, nist, one_type, two_metals, two_types

from clustermark.apps.md.driver import Simulation
from clustermark.apps.md.eam_files import read_eam
from clustermark.apps.md.model import Atoms, Floats, Potential
from clustermark.apps.md.reference import Energies, pair_energy_forces
from clustermark.apps.md.sutton_chen import sutton_chen
from clustermark.apps.md.tables import tail_corrections

# NIST, Lennard-Jones Fluid Reference Calculations: Cuboid Cell: configuration, cutoff, energy, virial, tail energy.
NIST = [
    (1, 3.0, -4351.5402, -568.6655, -198.4889),
    (1, 4.0, -4467.4957, -1263.8834, -83.7690),
    (4, 3.0, -16.7903, -46.2492, -0.5452),
    (4, 4.0, -17.0605, -47.8688, -0.2301),
]

# Lanes that the engine chooses for the kernels' type where a CPU has AVX, and where it has AVX-512.
CHOSEN = [(4, "double"), (8, "double"), (8, "mixed"), (16, "mixed"), (16, "single")]
# Any others run as well; the pair kernels of "mixed" and "single" are the same, so one formula is enough.
OTHERS = [(lanes, precision) for precision in PRECISIONS for lanes in LANES if (lanes, precision) not in CHOSEN]

# Largest relative RMS error of forces, and of energy and virial relative to the sum of their magnitudes.
BOUNDS = {"double": 1e-13, "mixed": 2e-5, "single": 2e-5}


def copper() -> Potential:
    """Foiles' universal copper, as Debian packs it for LAMMPS."""
    path = POTENTIALS / "Cu_u3.eam"
    if not path.exists():
        pytest.skip(f"{path} is not there (Debian's package lammps-data)")
    return read_eam([path], ("Cu",))


EXAMPLES: dict[str, Callable[[], tuple[Atoms, Potential]]] = {
    "one type": lambda: (melt(1000)[0], one_type(2.5)),
    "one type shifted": lambda: (melt(1000)[0], one_type(2.5, "shifted")),
    "one type force-shifted": lambda: (melt(1000)[0], one_type(2.5, "force-shifted")),
    "two types": lambda: (disturbed(fcc((5, 5, 5), 1.7), 0.2, 2), two_types()),
    "two types shifted": lambda: (disturbed(fcc((5, 5, 5), 1.7), 0.2, 2), two_types("shifted")),
    "two types force-shifted": lambda: (disturbed(fcc((5, 5, 5), 1.7), 0.2, 2), two_types("force-shifted")),
    "two types and tail": lambda: (disturbed(fcc((5, 5, 5), 1.7), 0.2, 2), two_types(tail=True)),
    "Sutton-Chen": lambda: (disturbed(fcc((4, 4, 4), 3.61), 0.3), sutton_chen(points=2000)),
    "two metals": lambda: (disturbed(fcc((4, 4, 4), 3.8), 0.3, 2), two_metals()),
    "two metals beyond the table": lambda: (disturbed(fcc((5, 5, 5), 2.5), 0.3, 2), two_metals()),
    "Cu_u3.eam": lambda: (disturbed(fcc((4, 4, 4), 3.615), 0.3), copper()),
}


@cache
def example(name: str) -> tuple[Atoms, Potential, Energies]:
    """A configuration, its potential, and what the sum over all pairs says, tail corrections left out."""
    atoms, potential = EXAMPLES[name]()
    return atoms, potential, pair_energy_forces(atoms, potential)


def relative_rms(found: Floats, expected: Floats) -> float:
    """Root of the mean squared difference over that of the expected."""
    return float(np.sqrt(np.sum((found - expected) ** 2) / np.sum(expected**2)))


def energy_of(atoms: Atoms, potential: Potential) -> float:
    """Potential energy by the engine."""
    return engine(atoms, potential).thermo().potential_energy


@pytest.mark.parametrize(("configuration", "cutoff", "energy", "virial", "tail"), NIST)
def test_nist_configurations_have_their_published_energy_virial_and_tail(
    configuration: int, cutoff: float, energy: float, virial: float, tail: float
) -> None:
    atoms = nist(configuration)
    plain, corrected = (engine(atoms, one_type(cutoff, tail=choice)).thermo() for choice in (False, True))
    found = plain.potential_energy, plain.virial, corrected.potential_energy - plain.potential_energy
    assert found == pytest.approx((energy, virial, tail), abs=5.1e-5)


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("lanes", LANES)
def test_forces_of_the_melt_are_those_of_lammps(lanes: int, precision: str) -> None:
    atoms, forces = melt(1000)
    assert forces is not None
    found = forces_of_engine(engine(atoms, one_type(2.5), lanes, precision=precision))
    bound = BOUNDS[precision]
    assert relative_rms(found, forces) <= bound
    planted = found.copy()
    planted[1234] += 100 * bound * np.linalg.norm(forces) * np.array([1.0, 0.0, 0.0])
    assert relative_rms(planted, forces) > bound


@pytest.mark.parametrize(
    ("name", "lanes", "precision"),
    [*((name, *shape) for name in EXAMPLES for shape in CHOSEN), *(("one type shifted", *shape) for shape in OTHERS)],
)
def test_energy_virial_and_forces_are_those_of_the_sum_over_all_pairs(name: str, lanes: int, precision: str) -> None:
    atoms, potential, expected = example(name)
    simulation = engine(atoms, potential, lanes, precision=precision)
    tail = tail_corrections(potential, np.bincount(atoms.types), float(np.prod(atoms.box)))
    row, bound = simulation.thermo(), BOUNDS[precision]
    # Energies and virials are differences of larger sums, which the forces bound from above.
    scale = float(np.abs(expected.forces).sum()) + abs(expected.potential_energy)
    assert row.potential_energy - tail[0] == pytest.approx(expected.potential_energy, abs=bound * scale)
    assert row.virial - tail[1] == pytest.approx(expected.virial, abs=bound * scale)
    assert relative_rms(forces_of_engine(simulation), expected.forces) <= bound
    if precision == "double":
        assert simulation.pairs == expected.pairs
    else:
        assert simulation.pairs == pytest.approx(expected.pairs, rel=1e-4)


def test_a_potential_that_differs_by_little_is_told_apart() -> None:
    atoms, _, expected = example("two types")
    wrong = two_types()
    wrong = replace(wrong, sigma=wrong.sigma * (1 + 1e-9))
    assert relative_rms(forces_of_engine(engine(atoms, wrong)), expected.forces) > BOUNDS["double"]


def test_the_melt_at_step_0_has_the_thermo_of_lammps() -> None:
    atoms, _ = melt(0)
    row = engine(atoms, one_type(2.5)).thermo()
    assert row.temperature == pytest.approx(1.44, rel=1e-14)
    assert row.potential_energy == pytest.approx(-27093.472213036403, rel=1e-12)
    assert row.kinetic_energy == pytest.approx(8637.84, rel=1e-12)
    assert row.pressure == pytest.approx(-5.0199731820856, rel=1e-12)


def test_copper_has_the_energy_per_atom_of_lammps() -> None:
    atoms = fcc((6, 6, 6), 3.615)
    row = engine(atoms, copper()).thermo()
    assert row.potential_energy / len(atoms.ids) == pytest.approx(-113280 / 32000, rel=1e-6)
    assert row.potential_energy == pytest.approx(-3058.5600019687195, rel=1e-12)


SMOOTH = ["one type force-shifted", "two types force-shifted", "Sutton-Chen", "two metals"]


@pytest.mark.parametrize("name", SMOOTH)
def test_force_is_minus_the_gradient_of_the_energy(name: str) -> None:
    atoms, potential, _ = example(name)
    forces, h, dimension = forces_of_engine(engine(atoms, potential)), 1e-5, 1
    by_differences = []
    for atom in (0, 101):
        energies = []
        for step in (-h, h):
            positions = atoms.positions.copy()
            positions[atom, dimension] += step
            energies.append(energy_of(replace(atoms, positions=positions), potential))
        by_differences.append((energies[0] - energies[1]) / (2 * h))
    scale = float(np.sqrt(np.mean(forces**2)))
    assert by_differences == pytest.approx(forces[[0, 101], dimension], abs=1e-5 * scale)
    assert by_differences != pytest.approx(forces[[1, 102], dimension], abs=1e-5 * scale), "other atoms' forces"


@pytest.mark.parametrize("name", SMOOTH)
def test_virial_is_minus_three_v_times_the_derivative_by_the_volume(name: str) -> None:
    """U(λ) of all lengths times λ: dU/dλ = −W at λ = 1, because V = λ³V₀."""
    atoms, potential, _ = example(name)
    h = 1e-6
    energies = [
        energy_of(replace(atoms, positions=atoms.positions * factor, box=atoms.box * factor), potential)
        for factor in (1 - h, 1 + h)
    ]
    slope = (energies[1] - energies[0]) / (2 * h)
    virial = engine(atoms, potential).thermo().virial
    assert -slope == pytest.approx(virial, rel=1e-5)
    assert -slope != pytest.approx(virial * (1 + 1e-3), rel=1e-5)


@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("name", ["two types", "two metals"])
def test_working_beside_messages_changes_nothing_on_one_rank(name: str, overlap: bool) -> None:
    atoms, potential, expected = example(name)
    simulation: Simulation = engine(atoms, potential, overlap=overlap)
    assert simulation.pairs == expected.pairs
    assert relative_rms(forces_of_engine(simulation), expected.forces) <= 1e-13


def test_atoms_outside_the_box_are_wrapped_and_keep_their_ids() -> None:
    atoms, potential, expected = example("two types")
    order = np.random.RandomState(2).permutation(len(atoms.ids))
    outside = replace(
        atoms,
        positions=atoms.positions[order] + atoms.box * np.array([-3.0, 1.0, 7.0]),
        ids=10 * atoms.ids[order],
        types=atoms.types[order],
    )
    simulation = engine(outside, potential)
    gathered = simulation.gather()
    assert gathered is not None
    assert (gathered.ids == 10 * atoms.ids).all() and (gathered.types == atoms.types).all()
    assert np.allclose(gathered.positions, atoms.positions % atoms.box, rtol=0, atol=1e-12)
    assert relative_rms(forces_of_engine(simulation), expected.forces) <= 1e-11
