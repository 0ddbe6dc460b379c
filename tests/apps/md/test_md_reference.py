"""The sum over all pairs: published numbers, LAMMPS' numbers, and what forces and virials are by definition."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from physics_examples import (
    POTENTIALS,
    atoms_of,
    disturbed,
    fcc,
    melt,
    nist,
    one_type,
    two_metals,
    two_types,
)

from clustermark.apps.md import reference
from clustermark.apps.md.eam_files import read_eam
from clustermark.apps.md.model import Atoms, Floats, Potential
from clustermark.apps.md.reference import Energies, pair_energy_forces, pairs_within, radial_distribution
from clustermark.apps.md.sutton_chen import sutton_chen
from clustermark.apps.md.tables import tail_corrections
from clustermark.core.errors import UsageError

# NIST, Lennard-Jones Fluid Reference Calculations: Cuboid Cell; four digits after the point.
NIST = [
    (1, 3.0, -4351.5402, -568.6655, -198.4889),
    (1, 4.0, -4467.4957, -1263.8834, -83.7690),
    (4, 3.0, -16.7903, -46.2492, -0.5452),
    (4, 4.0, -17.0605, -47.8688, -0.2301),
]

# LAMMPS 2025-07-22 (pair styles lj/cut, lj/smooth/linear, eam, eam/alloy): energy, virial (of the pressure without its
# kinetic part), root of the sum of squared forces, force on the first atom. Digits beyond 1e-12 are rounding.
LAMMPS = {
    "cut": (-658.9784092168761, 11905.97835210711, 5881.126894097108,
            (1.8752633219227532, 0.7093204222571733, -2.15655940997873)),
    "shifted": (-503.45259908574104, 11905.97835210711, 5881.126894097108,
                (1.8752633219227532, 0.7093204222571733, -2.15655940997873)),
    "force-shifted": (-289.5507525731781, 12620.126501756487, 5881.345979494403,
                      (1.7934518858433577, 0.7272796037131647, -2.202846069285213)),
    "cut and tail": (-818.2368937498916, 10952.18414472087, 5881.126894097108,
                     (1.8752633219227532, 0.7093204222571733, -2.15655940997873)),
    "two metals": (-613.0784750874415, 3544.2332929684567, 220.21347369737998,
                   (-0.4034274615638104, 0.7660959098459847, 1.281717273865951)),
    "two metals beyond the table": (311913.56555893424, 3330128.128636889, 273694.9956746989,
                                    (-2331.19036347849, 498.70650602379146, 2736.926234805199)),
    "Cu_u3.eam": (-811.4512138347911, 842.068139631462, 59.67906478949385,
                  (-0.7433016748235253, 1.4132730360042243, 1.8772088491462233)),
    "Cu_u3.eam Ni_u3.eam": (-910.7578772915595, 742.5141061805784, 69.64140235564162,
                            (-0.8693510742452306, 1.5010888446808859, 1.7420706270943773)),
    "CuNi.eam.alloy": (-910.0445743487994, 751.0553600960602, 64.82449013278445,
                       (-0.7154501664120769, 1.479501127038114, 2.005435685760226)),
}  # fmt: skip


def example(name: str) -> tuple[Atoms, Potential]:
    """The configuration and the potential of a row of the table."""
    if name.startswith("two metals"):
        return disturbed(fcc((4, 4, 4), 3.8) if name == "two metals" else fcc((5, 5, 5), 2.5), 0.3, 2), two_metals()
    if "eam" in name:
        files = [POTENTIALS / file for file in name.split()]
        absent = [str(file) for file in files if not file.exists()]
        if absent:
            pytest.skip(f"{absent[0]} is not there (Debian's package lammps-data)")
        elements = ("Cu", "Ni")[: 1 if name == "Cu_u3.eam" else 2]
        return disturbed(fcc((4, 4, 4), 3.615), 0.3, len(elements)), read_eam(files, elements)
    style, _, tail = name.partition(" and ")
    return disturbed(fcc((5, 5, 5), 1.7), 0.2, 2), two_types(style, tail=bool(tail))


def relative_rms(found: Floats, expected: Floats) -> float:
    """Root of the mean squared difference over that of the expected."""
    return float(np.sqrt(np.sum((found - expected) ** 2) / np.sum(expected**2)))


def moved(atoms: Atoms, atom: int, dimension: int, by: float) -> Atoms:
    """One coordinate of one atom changed."""
    positions = atoms.positions.copy()
    positions[atom, dimension] += by
    return replace(atoms, positions=positions)


def scaled(atoms: Atoms, factor: float) -> Atoms:
    """All lengths multiplied."""
    return replace(atoms, positions=atoms.positions * factor, box=atoms.box * factor)


def force_by_differences(atoms: Atoms, potential: Potential, atom: int, h: float = 1e-5) -> Floats:
    """−dU/dx of one atom."""
    return np.array(
        [
            (energy_of(moved(atoms, atom, d, -h), potential) - energy_of(moved(atoms, atom, d, h), potential)) / (2 * h)
            for d in range(3)
        ]
    )


def energy_of(atoms: Atoms, potential: Potential) -> float:
    return pair_energy_forces(atoms, potential).potential_energy


@pytest.mark.parametrize(("configuration", "cutoff", "energy", "virial", "tail"), NIST)
def test_nist_configurations_have_their_published_energy_virial_and_tail(
    configuration: int, cutoff: float, energy: float, virial: float, tail: float
) -> None:
    atoms, potential = nist(configuration), one_type(cutoff, tail=True)
    found = pair_energy_forces(atoms, potential)
    corrections = tail_corrections(potential, [len(atoms.ids)], float(np.prod(atoms.box)))
    assert (found.potential_energy, found.virial, corrections[0]) == pytest.approx((energy, virial, tail), abs=5.1e-5)


def test_a_wrong_cutoff_misses_the_published_energy() -> None:
    found = energy_of(nist(1), one_type(3.001))
    assert found != pytest.approx(NIST[0][2], abs=5.1e-5)


def test_forces_of_the_melt_are_those_of_lammps() -> None:
    atoms, forces = melt(1000)
    assert forces is not None
    found = pair_energy_forces(atoms, one_type(2.5)).forces
    assert relative_rms(found, forces) <= 1e-13
    planted = found.copy()
    planted[1234] *= 1.0 + 1e-9
    assert relative_rms(planted, forces) > 1e-13


def test_the_melt_at_step_0_is_the_lattice_with_the_energy_of_lammps() -> None:
    atoms, _ = melt(0)
    lattice = fcc((10, 10, 10), float(atoms.box[0]) / 10)
    order, same = (np.lexsort(np.rint(a.positions / atoms.box * 20).T) for a in (atoms, lattice))
    assert np.allclose(atoms.positions[order], lattice.positions[same], rtol=0, atol=1e-12)
    found = pair_energy_forces(atoms, one_type(2.5))
    assert found.potential_energy / 4000 == pytest.approx(-6.7733681, abs=5e-8)
    assert np.abs(found.forces).max() < 1e-12


@pytest.mark.parametrize("name", LAMMPS)
def test_energy_virial_and_forces_are_those_of_lammps(name: str) -> None:
    atoms, potential = example(name)
    found = pair_energy_forces(atoms, potential)
    counts = np.bincount(atoms.types)
    tail_energy, tail_virial = tail_corrections(potential, counts, float(np.prod(atoms.box)))
    energy, virial, norm, first = LAMMPS[name]
    assert found.potential_energy + tail_energy == pytest.approx(energy, rel=1e-12)
    assert found.virial + tail_virial == pytest.approx(virial, rel=1e-12)
    assert np.linalg.norm(found.forces) == pytest.approx(norm, rel=1e-12)
    assert found.forces[0] == pytest.approx(first, rel=1e-11)


NAMES = ["cut", "shifted", "force-shifted", "two metals", "two metals beyond the table", "Cu_u3.eam"]


@pytest.mark.parametrize("name", NAMES)
def test_force_is_minus_the_gradient_of_the_energy(name: str) -> None:
    atoms, potential = example(name)
    forces = pair_energy_forces(atoms, potential).forces
    scale = float(np.sqrt(np.mean(forces**2)))
    for atom in (0, 101):
        by_differences = force_by_differences(atoms, potential, atom)
        assert np.abs(by_differences - forces[atom]).max() < 1e-6 * scale
        assert np.abs(by_differences - forces[atom + 1]).max() > 1e-6 * scale, "another atom's force must not pass"


@pytest.mark.parametrize("name", NAMES)
def test_virial_is_minus_three_v_times_the_derivative_by_the_volume(name: str) -> None:
    """U(λ) of all lengths times λ: dU/dλ = −W at λ = 1, because V = λ³V₀."""
    atoms, potential = example(name)
    h = 1e-6
    slope = (energy_of(scaled(atoms, 1 + h), potential) - energy_of(scaled(atoms, 1 - h), potential)) / (2 * h)
    virial = pair_energy_forces(atoms, potential).virial
    assert -slope == pytest.approx(virial, rel=1e-6)
    assert -slope != pytest.approx(virial / 2, rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_forces_add_up_to_nothing_and_do_not_change_when_all_atoms_move(name: str) -> None:
    atoms, potential = example(name)
    found = pair_energy_forces(atoms, potential)
    assert np.abs(found.forces.sum(axis=0)).max() < 1e-12 * np.linalg.norm(found.forces)
    elsewhere = pair_energy_forces(replace(atoms, positions=atoms.positions + np.array([0.3, -17.0, 100.0])), potential)
    assert elsewhere.potential_energy == pytest.approx(found.potential_energy, rel=1e-10)
    assert relative_rms(elsewhere.forces, found.forces) < 1e-10
    assert elsewhere.pairs == found.pairs


@pytest.mark.parametrize("potential", [one_type(3.4), two_types(), sutton_chen(points=500)])
def test_a_box_as_wide_as_the_cutoff_gives_what_eight_copies_of_it_give(potential: Potential) -> None:
    edge = max(potential.largest_cutoff, 3.4) * (1 + 1e-9)
    small = disturbed(fcc((2, 2, 2), edge / 2), 0.05)
    images = np.stack(np.meshgrid(*[[0.0, 1.0]] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3) * small.box
    large = atoms_of((small.positions + images).reshape(-1, 3), 2 * small.box)
    one, eight = pair_energy_forces(small, potential), pair_energy_forces(large, potential)
    assert 8 * one.pairs == eight.pairs
    assert 8 * one.potential_energy == pytest.approx(eight.potential_energy, rel=1e-12)
    assert 8 * one.virial == pytest.approx(eight.virial, rel=1e-12)
    assert relative_rms(np.tile(one.forces, (8, 1)), eight.forces) < 1e-12


def test_blocks_of_rows_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    atoms, potential = example("shifted")
    whole = pair_energy_forces(atoms, potential)
    monkeypatch.setattr(reference, "_BLOCK", 7 * len(atoms.ids))
    blocks = pair_energy_forces(atoms, potential)
    assert blocks.pairs == whole.pairs
    assert np.allclose(blocks.forces, whole.forces, rtol=1e-12, atol=1e-10)


def test_few_or_no_atoms_have_no_energy() -> None:
    for n in (0, 1):
        found = pair_energy_forces(atoms_of(np.zeros((n, 3)), 5.0), one_type(2.5))
        assert found.potential_energy == found.virial == found.pairs == 0
        assert isinstance(found, Energies) and found.forces.shape == (n, 3)


def test_what_cannot_be_computed_is_one_sentence() -> None:
    atoms = atoms_of(np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]), 5.0)
    with pytest.raises(UsageError, match="atoms 1 and 2 are in the same place"):
        pair_energy_forces(atoms, one_type(2.5))
    with pytest.raises(UsageError, match="box is 5 wide, less than the cutoff of 6"):
        pairs_within(atoms, 6.0)
    with pytest.raises(UsageError, match="atom 3 is of type 1, expected 0 to 0"):
        pair_energy_forces(replace(atoms, types=np.array([0, 0, 1], dtype=np.int32)), one_type(2.5))


def test_radial_distribution_counts_the_shells_of_a_crystal() -> None:
    atoms = fcc((4, 4, 4), 1.6)
    r, g = radial_distribution(atoms, 300, 3.0)
    shells = 4.0 / 3.0 * np.pi * np.diff(np.linspace(0.0, 3.0, 301) ** 3)
    neighbours = g * shells * len(atoms.ids) / np.prod(atoms.box)
    for distance, expected in ((1.6 / np.sqrt(2), 12), (1.6, 6), (1.6 * np.sqrt(1.5), 24), (1.6 * np.sqrt(2), 12)):
        assert neighbours[np.abs(r - distance) < 0.02].sum() == pytest.approx(expected)
    assert g[r < 1.1].sum() == 0


def test_radial_distribution_of_a_gas_is_one() -> None:
    atoms = atoms_of(np.random.RandomState(5).uniform(0, 10, (2000, 3)), 10.0)
    _, g = radial_distribution(atoms, 10, 4.0)
    assert np.abs(g[3:] - 1).max() < 0.03
