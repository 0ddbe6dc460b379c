"""What the engine does over many steps: LAMMPS' trajectories, conservation laws, ensembles, restarts."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from engine_examples import BENCHMARK, PRECISIONS, atoms_of_engine, engine, large_melt, per_atom, setup_of, warm_crystal
from physics_examples import POTENTIALS, melt, one_type, two_types

from clustermark.apps.md import analysis, reference
from clustermark.apps.md.analysis import block_average
from clustermark.apps.md.driver import Simulation
from clustermark.apps.md.eam_files import read_eam
from clustermark.apps.md.model import UNITS, Atoms, Floats, ListRule
from clustermark.apps.md.setup import Ensemble

# LAMMPS 2025-07-22, lj/cut 2.5, skin 0.3, "every 1 delay 0 check yes", step 100: temperature, energies per atom
# (potential, total), pressure; of bench/in.lj as delivered and with 10 cells a side.
LAMMPS_32000 = (0.7574599825959627, -5.758499777745313, -4.622345309788053, 0.2072999636067237)
LAMMPS_4000 = (0.7571644458702771, -5.758134077047643, -4.6226713449094285, 0.20855820680160922)
# The same of eam Cu_u3, 864 atoms of warm_crystal at 1600 K, skin 1, 5 fs; energies of all atoms.
LAMMPS_COPPER = (830.7330914782815, -2972.226310944915, -2879.556784225061, 50365.00232338076)

SMOOTH = one_type(2.5, "force-shifted")
THERMOSTATS = {
    "langevin": Ensemble("langevin", 1.0, 0.1, 5),
    "csvr": Ensemble("csvr", 1.0, 0.02, 5),
    "nose-hoover": Ensemble("nose-hoover", 1.0, 0.1),
}


@cache
def liquid() -> Atoms:
    """500 atoms of the melt, of force-shifted Lennard-Jones."""
    simulation = engine(warm_crystal((5, 5, 5)), SMOOTH)
    simulation.advance(500)
    return atoms_of_engine(simulation)


def advanced(atoms: Atoms, steps: int, **changes: Any) -> Simulation:
    """An engine with one type of atoms after some steps."""
    simulation = engine(atoms, changes.pop("potential", one_type(2.5)), **changes)
    simulation.advance(steps)
    return simulation


def energies(simulation: Simulation, samples: int, steps: int) -> Floats:
    """Total energy per atom, now and after every so many steps."""
    found = [simulation.thermo().total_energy]
    for _ in range(samples):
        simulation.advance(steps)
        found.append(simulation.thermo().total_energy)
    return np.array(found) / simulation.number


# --- trajectories of LAMMPS ---------------------------------------------------------------------------------

# Relative; the pressure is a difference of larger numbers and moves most.
TRAJECTORY = {"double": (1e-10, 1e-10), "mixed": (1e-6, 2e-5), "single": (2e-6, 2e-5)}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_melt_of_32000_atoms_is_that_of_lammps_at_step_100(precision: str) -> None:
    found = per_atom(advanced(large_melt(), 100, precision=precision).thermo(), 32000)
    assert found[:3] == pytest.approx(LAMMPS_32000[:3], rel=TRAJECTORY[precision][0])
    assert found[3] == pytest.approx(LAMMPS_32000[3], rel=TRAJECTORY[precision][1])


@pytest.mark.parametrize("lanes", [4, 16])
def test_the_melt_of_4000_atoms_is_that_of_lammps_at_step_100(lanes: int) -> None:
    atoms, _ = melt(0)
    found = per_atom(advanced(atoms, 100, lanes=lanes).thermo(), 4000)
    assert found == pytest.approx(LAMMPS_4000, rel=1e-10)


def test_a_list_that_is_kept_too_long_is_not_that_of_lammps() -> None:
    atoms, _ = melt(0)
    found = per_atom(advanced(atoms, 100, rule=BENCHMARK).thermo(), 4000)
    assert found == pytest.approx(LAMMPS_4000, rel=1e-2)
    assert found[:3] != pytest.approx(LAMMPS_4000[:3], rel=1e-6)


def test_copper_is_that_of_lammps_at_step_100() -> None:
    path = POTENTIALS / "Cu_u3.eam"
    if not path.exists():
        pytest.skip(f"{path} is not there (Debian's package lammps-data)")
    potential, units = read_eam([path], ("Cu",)), UNITS["metal"]
    atoms = warm_crystal((6, 6, 6), 3.615, 1600.0, units, 63.55)
    row = advanced(atoms, 100, potential=potential, units=units, masses=np.array([63.55]), rule=ListRule(1.0)).thermo()
    found = row.temperature, row.potential_energy, row.total_energy, row.pressure
    assert found == pytest.approx(LAMMPS_COPPER, rel=1e-9)


# --- conservation -------------------------------------------------------------------------------------------

MOMENTUM = {"double": 3e-16, "mixed": 2e-8, "single": 8e-8}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_momentum_is_conserved_over_1000_steps(precision: str) -> None:
    atoms, _ = melt(0)
    simulation = advanced(atoms, 1000, rule=BENCHMARK, precision=precision)
    velocities = atoms_of_engine(simulation).velocities
    assert np.abs(velocities.mean(axis=0)).max() <= MOMENTUM[precision]
    velocities[17, 0] += 1e-3
    assert np.abs(velocities.mean(axis=0)).max() > MOMENTUM[precision]


@pytest.mark.parametrize("precision", PRECISIONS)
def test_energy_does_not_drift(precision: str) -> None:
    atoms, _ = melt(1000)
    found = energies(engine(atoms, SMOOTH, precision=precision), 50, 20)
    slope = np.polyfit(0.1 * np.arange(51), found, 1)[0]
    assert abs(slope) < 1.5e-5, "ε per atom and τ; fluctuations of 3e-5 ε leave 3e-6 of uncertainty"
    assert found.std() < 5e-5


def test_a_time_step_that_is_too_long_drifts() -> None:
    found = energies(advanced(liquid(), 1, potential=SMOOTH, timestep=0.02), 20, 20)
    assert found.std() > 5e-5


def test_the_error_of_the_energy_falls_with_the_square_of_the_time_step() -> None:
    coarse, fine = (
        energies(engine(liquid(), SMOOTH, timestep=step), 50, every).std() for step, every in ((0.005, 4), (0.0025, 8))
    )
    assert coarse / fine == pytest.approx(4.0, abs=0.4)


def test_energies_taken_half_a_step_late_do_not_fall_with_the_square(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the closing half kick the kinetic energy is that of another time."""
    monkeypatch.setattr(Simulation, "_close_step", lambda self: None)
    coarse, fine = (
        energies(engine(liquid(), SMOOTH, timestep=step), 50, every).std() for step, every in ((0.005, 4), (0.0025, 8))
    )
    assert coarse / fine != pytest.approx(4.0, abs=0.4)


def test_a_run_goes_back_where_it_came_from() -> None:
    there = atoms_of_engine(advanced(liquid(), 200, potential=two_types()))
    back = atoms_of_engine(advanced(replace(there, velocities=-there.velocities), 200, potential=two_types()))
    away = back.positions - liquid().positions
    away -= back.box * np.rint(away / back.box)
    assert np.abs(away).max() < 1e-10
    assert np.abs(back.velocities + liquid().velocities).max() < 1e-9
    assert np.abs(there.positions - liquid().positions).max() > 0.1


def test_a_thermostat_does_not_go_back() -> None:
    there = atoms_of_engine(advanced(liquid(), 200, ensemble=THERMOSTATS["langevin"]))
    back = atoms_of_engine(
        advanced(replace(there, velocities=-there.velocities), 200, ensemble=THERMOSTATS["langevin"])
    )
    assert np.abs(back.velocities + liquid().velocities).max() > 0.1


def test_heavy_and_light_atoms_share_the_kinetic_energy() -> None:
    """Equipartition: what a wrong mass in a kick or in the energy would break."""
    atoms = replace(liquid(), types=(np.arange(500) % 2).astype(np.int32))
    masses = np.array([1.0, 4.0])
    simulation = engine(atoms, two_types("force-shifted"), masses=masses, ensemble=THERMOSTATS["csvr"])
    simulation.advance(500)
    shares = np.zeros(2)
    for _ in range(100):
        simulation.advance(10)
        velocities = atoms_of_engine(simulation).velocities
        for kind in (0, 1):
            shares[kind] += 0.5 * masses[kind] * (velocities[kind::2] ** 2).sum() / (375 * 100)
    assert shares == pytest.approx([1.0, 1.0], abs=0.04)


# --- ensembles ----------------------------------------------------------------------------------------------


def kinetic_energies(ensemble: Ensemble, precision: str, samples: int = 500) -> Floats:
    """Kinetic energies of the liquid every fifth step, after it has settled."""
    simulation = advanced(liquid(), 600, potential=SMOOTH, ensemble=ensemble, precision=precision)
    found = np.empty(samples)
    for k in range(samples):
        simulation.advance(5)
        found[k] = simulation.thermo().kinetic_energy
    return found


def disagreements(kinetic: Floats, freedom: int, temperature: float) -> list[str]:
    """What is not as in the canonical ensemble by five standard errors: ⟨K⟩ = fT/2, var K = fT²/2."""
    mean, variance = block_average(kinetic), block_average((kinetic - kinetic.mean()) ** 2)
    expected = freedom * temperature / 2
    assert mean.error < 0.01 * expected and variance.error < 0.15 * expected * temperature, "too short to tell"
    found = ["mean"] if abs(mean.mean - expected) > 5 * mean.error else []
    return found + (["variance"] if abs(variance.mean - expected * temperature) > 5 * variance.error else [])


@pytest.mark.parametrize("precision", ["double", "mixed"])
@pytest.mark.parametrize("kind", THERMOSTATS)
def test_a_thermostat_makes_canonical_kinetic_energies(kind: str, precision: str) -> None:
    freedom = 3 * 500 if kind == "langevin" else 3 * 499
    assert disagreements(kinetic_energies(THERMOSTATS[kind], precision), freedom, 1.0) == []


def test_constant_energy_is_not_canonical() -> None:
    kinetic = kinetic_energies(Ensemble(), "double")
    assert disagreements(kinetic, 3 * 499, float(kinetic.mean()) * 2 / (3 * 499)) == ["variance"]
    assert "mean" in disagreements(kinetic, 3 * 499, 1.0)


# --- restarts -----------------------------------------------------------------------------------------------


def is_same(one: Simulation, other: Simulation) -> bool:
    """Thermo, positions, velocities and forces bit by bit."""
    first, second = atoms_of_engine(one), atoms_of_engine(other)
    return (
        one.thermo() == other.thermo()
        and np.array_equal(first.positions, second.positions)
        and np.array_equal(first.velocities, second.velocities)
        and np.array_equal(first.ids, second.ids)
        and np.array_equal(np.asarray(one.gather_forces()), np.asarray(other.gather_forces()))
    )


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("kind", ["nve", *THERMOSTATS])
def test_a_restart_goes_on_bit_by_bit(kind: str, precision: str) -> None:
    ensemble = THERMOSTATS.get(kind, Ensemble())
    rule = ListRule(0.3, 7, check=kind == "nve")
    whole = advanced(liquid(), 33, ensemble=ensemble, precision=precision, rule=rule)
    state = whole.state()
    again = Simulation(
        setup_of(None, one_type(2.5), state=state, ensemble=ensemble, precision=precision, rule=rule), None
    )
    assert again.step == 33
    for simulation in (whole, again):
        simulation.advance(40)
    assert is_same(whole, again)


@pytest.mark.parametrize("fault", ["velocity", "thermostat", "step"])
def test_a_restart_that_forgets_something_is_found(fault: str) -> None:
    kind = {"velocity": "nve", "thermostat": "nose-hoover", "step": "langevin"}[fault]
    ensemble = THERMOSTATS.get(kind, Ensemble())
    whole = advanced(liquid(), 33, ensemble=ensemble)
    state = whole.state()
    if fault == "velocity":
        state.atoms.velocities[3, 1] += 1e-14
    elif fault == "thermostat":
        state = replace(state, thermostat=dict.fromkeys(state.thermostat, 0.0))
    else:
        state = replace(state, step=34)
    again = Simulation(setup_of(None, one_type(2.5), state=state, ensemble=ensemble), None)
    for simulation in (whole, again):
        simulation.advance(40)
    assert not is_same(whole, again)


def test_looking_changes_no_trajectory() -> None:
    """`advance` closes the step for its output and opens it again; only the last bits may tell."""
    seen, unseen = (engine(liquid(), SMOOTH) for _ in range(2))
    for _ in range(40):
        seen.advance(1)
    unseen.march(40)
    unseen.look()
    assert seen.step == unseen.step == 40
    assert np.allclose(atoms_of_engine(seen).positions, atoms_of_engine(unseen).positions, rtol=0, atol=1e-12)
    assert seen.thermo().total_energy == pytest.approx(unseen.thermo().total_energy, rel=1e-12)


# --- structure ----------------------------------------------------------------------------------------------


def test_the_radial_distribution_of_the_liquid_is_that_of_brute_force() -> None:
    atoms = liquid()
    fast = analysis.radial_distribution(atoms.positions, atoms.box, 4.0, 80)
    r, g = reference.radial_distribution(atoms, 80, 4.0)
    assert np.allclose(fast.r, r)
    assert np.allclose(fast.g * 499 / 500, g, rtol=1e-12)
    assert r[g.argmax()] == pytest.approx(1.08, abs=0.08), "first neighbours of a Lennard-Jones liquid"
    assert not g[r < 0.8].any()
