"""Thermostats on ideal gases and harmonic oscillators: distributions, conserved quantities, decomposition, restart."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.apps.md.model import UNITS, Units
from clustermark.apps.md.slots import Slots, Thermostat
from clustermark.apps.md.stochastic_thermostats import gamma_deviate
from clustermark.apps.md.thermostats import ENSEMBLES, make_thermostat
from clustermark.apps.md.velocity_kernels import kinetic_energy
from clustermark.core.errors import ClustermarkError, UsageError

LJ, METAL = UNITS["lj"], UNITS["metal"]
MASSES = np.array([1.0, 5.0])
TEMPERATURE, TIMESTEP = 1.5, 0.1
THERMOSTATS = tuple(kind for kind in ENSEMBLES if kind != "nve")


def slots_of(ids: Any, lanes: int = 4, velocities: Any = None, dtype: str = "f8", total: Any = None) -> Slots:
    """Atoms with these ids in clusters, the last lane of each empty; even ids have type 1; velocities (n, 3)."""
    width = lanes - 1
    clusters = -(-len(ids) // width)
    table = np.full((clusters, lanes), -1, dtype=np.int64)
    filled = np.full(clusters * width, -1, dtype=np.int64)
    filled[: len(ids)] = ids
    table[:, :width] = filled.reshape(clusters, width)
    types = np.where(table < 0, -1, (table + 1) % 2).astype(np.int32)
    flat = np.zeros((clusters, 3, lanes), dtype=dtype)
    if velocities is not None:
        rows = np.zeros((clusters * width, 3))
        rows[: len(ids)] = velocities
        flat[:, :, :width] = rows.reshape(clusters, width, 3).transpose(0, 2, 1)
    return Slots(flat.ravel(), table.ravel(), types.ravel(), lanes, clusters, total or float)


def rows_of(slots: Slots) -> Any:
    """(n, 3) velocities in the order of ids."""
    rows = slots.velocities.reshape(slots.clusters, 3, slots.lanes).transpose(0, 2, 1).reshape(-1, 3)
    order = np.argsort(slots.ids, kind="stable")
    return rows[order][slots.ids[order] >= 0]


def thermal(count: int, seed: int = 1, units: Units = LJ, temperature: float = TEMPERATURE) -> Any:
    masses = MASSES[(np.arange(1, count + 1) + 1) % 2]
    spread = np.sqrt(units.boltzmann * temperature / (units.mass_velocity2 * masses))
    return np.random.default_rng(seed).normal(size=(count, 3)) * spread[:, None]


def thermostat_of(kind: str, degrees: int, **changes: Any) -> Thermostat:
    values: dict[str, Any] = {
        "temperature": TEMPERATURE,
        "time": 1.0 if kind == "nose-hoover" else 0.2,
        "seed": 5,
        "timestep": TIMESTEP,
        "degrees_of_freedom": degrees,
        "units": LJ,
        "masses": MASSES,
    }
    thermostat = make_thermostat(kind, **(values | changes))
    assert thermostat is not None
    return thermostat


def is_canonical(energies: Any, degrees: int, thermal_energy: float, independent: float) -> bool:
    """⟨K⟩ = N_f k_B T/2 and var K = (N_f/2)(k_B T)², within 5 standard errors of so many independent samples."""
    mean, variance = degrees / 2 * thermal_energy, degrees / 2 * thermal_energy**2
    mean_error = math.sqrt(variance / independent)
    variance_error = variance * math.sqrt((2 + 12 / degrees) / independent)  # excess kurtosis of a gamma deviate
    return abs(energies.mean() - mean) < 5 * mean_error and abs(energies.var() - variance) < 5 * variance_error


def gas_energies(act: Callable[[Slots, int], None], atoms: int, steps: int, units: Units = LJ) -> Any:
    """Kinetic energies of an ideal gas after each action."""
    slots = slots_of(np.arange(1, atoms + 1), velocities=thermal(atoms, units=units))
    energies = np.empty(steps)
    for step in range(steps):
        act(slots, step + 1)
        energies[step] = slots.kinetic_energy(MASSES, units.mass_velocity2, step)
    return energies


def weak_coupling(slots: Slots, step: int) -> None:
    """The planted fault: Berendsen's rescaling has the right mean and no canonical fluctuations."""
    temperature = slots.kinetic_energy(MASSES, 1.0, step) / (1.5 * 10)
    slots.scale(math.sqrt(1 + 0.4 * (TEMPERATURE / temperature - 1)))


@pytest.mark.parametrize("kind", ["langevin", "csvr"])
@pytest.mark.parametrize("units", [LJ, METAL], ids=["lj", "metal"])
def test_an_ideal_gas_has_canonical_kinetic_energies(kind: str, units: Units) -> None:
    thermostat = thermostat_of(kind, 30, units=units)
    energies = gas_energies(thermostat.end_of_step, 10, 20_000, units)
    # Energies decay with exp(−h/τ) (csvr) or exp(−2h/τ): 4 or 2 samples for one independent one.
    assert is_canonical(energies, 30, units.boltzmann * TEMPERATURE, 20_000 / 5)


def test_weak_coupling_fails_the_test_of_fluctuations() -> None:
    energies = gas_energies(weak_coupling, 10, 2000)
    assert energies.mean() == pytest.approx(15 * TEMPERATURE, rel=0.01)
    assert not is_canonical(energies, 30, TEMPERATURE, 2000 / 5)


@pytest.mark.parametrize("kind", ["langevin", "csvr"])
def test_a_wrong_noise_amplitude_fails_the_test_of_the_mean(kind: str) -> None:
    """5 % more noise is 10 % more temperature."""
    thermostat = thermostat_of(kind, 30, temperature=TEMPERATURE * 1.05**2)
    assert not is_canonical(gas_energies(thermostat.end_of_step, 10, 20_000), 30, TEMPERATURE, 20_000 / 5)


def test_each_type_and_component_has_the_temperature_under_langevin() -> None:
    slots = slots_of(np.arange(1, 30_001), lanes=8)
    thermostat = thermostat_of("langevin", 0, time=1e-3)
    thermostat.end_of_step(slots, 1)
    for kind in (0, 1):
        squares = rows_of(slots)[kind::2] ** 2
        assert MASSES[kind] * squares.mean(axis=0) == pytest.approx(TEMPERATURE, rel=5 * math.sqrt(2 / 15_000))


@pytest.mark.parametrize("degrees", [1, 2, 3, 6, 301])
def test_one_rescaling_has_the_mean_and_variance_of_its_exact_solution(degrees: int) -> None:
    """⟨K′⟩ = cK + (1−c)K̄; var K′ = 4c(1−c)KK̄/N_f + 2(1−c)²K̄²/N_f."""
    thermostat = thermostat_of("csvr", degrees)
    energies = np.empty(20_000)
    for step in range(len(energies)):
        slots = slots_of(np.array([1]), velocities=np.array([[2.0, 0.0, 0.0]]))
        thermostat.end_of_step(slots, step)
        energies[step] = slots.kinetic_energy(MASSES, 1.0, step)
    before, target, c = 2.0, degrees / 2 * TEMPERATURE, math.exp(-TIMESTEP / 0.2)
    variance = (4 * c * (1 - c) * before * target + 2 * (1 - c) ** 2 * target**2) / degrees
    assert energies.mean() == pytest.approx(c * before + (1 - c) * target, abs=5 * math.sqrt(variance / 20_000))
    assert energies.var() == pytest.approx(variance, rel=5 * math.sqrt((2 + 12 / degrees) / 20_000))


@pytest.mark.parametrize("shape", [0.5, 1.0, 2.5, 100.0])
def test_gamma_deviates_have_three_moments_of_a_gamma_distribution(shape: float) -> None:
    sample = np.array([gamma_deviate(shape, 3, step, 9) for step in range(20_000)])
    assert sample.mean() == pytest.approx(shape, abs=5 * math.sqrt(shape / 20_000))
    assert sample.var() == pytest.approx(shape, rel=5 * math.sqrt((2 + 6 / shape) / 20_000))
    skewness = ((sample - shape) ** 3).mean() / shape**1.5
    assert skewness == pytest.approx(2 / math.sqrt(shape), abs=5 * math.sqrt((6 + 200 / shape) / 20_000))


class Oscillators:
    """Harmonic oscillators of different frequencies, velocity Verlet, a thermostat at the end of each step."""

    def __init__(self, thermostat: Thermostat | None, timestep: float, frequencies: Any, seed: int = 1) -> None:
        atoms = len(frequencies)
        ids = np.arange(1, atoms + 1)
        self.slots = slots_of(ids, velocities=thermal(atoms, seed))
        self.thermostat, self.timestep, self.step = thermostat, timestep, 0
        self.positions = slots_of(ids, velocities=thermal(atoms, seed + 1) / frequencies[:, None]).velocities
        square = slots_of(ids, velocities=np.repeat(frequencies[:, None] ** 2, 3, axis=1)).velocities
        self.square = square
        self.mass = slots_of(ids, velocities=np.repeat(MASSES[(ids + 1) % 2][:, None], 3, axis=1)).velocities

    def advance(self) -> None:
        v, h = self.slots.velocities, self.timestep
        self.step += 1
        v -= h / 2 * self.square * self.positions
        self.positions += h * v
        v -= h / 2 * self.square * self.positions
        if self.thermostat is not None:
            self.thermostat.end_of_step(self.slots, self.step)

    def kinetic(self) -> float:
        return self.slots.kinetic_energy(MASSES, 1.0, self.step)

    def energy(self) -> float:
        return self.kinetic() + float((self.mass * self.square * self.positions**2).sum()) / 2


@pytest.mark.parametrize("product", [0.2, 1.0])
def test_langevin_positions_have_the_second_order_error_of_their_splitting(product: float) -> None:
    """Verlet keeps p²/m + mω²(1 − h²ω²/4)x²: ⟨x²⟩ = k_B T/(mω²(1 − h²ω²/4)), ⟨p²⟩ = m k_B T exactly."""
    system = Oscillators(thermostat_of("langevin", 0, timestep=product, time=1.0), product, np.full(300, 1.0))
    squares, kinetic = [], []
    for step in range(1500):
        system.advance()
        if step >= 100:
            squares.append((system.mass * system.positions**2).sum() / 900)
            kinetic.append(2 * system.kinetic() / 900)
    samples = 900 * 1400 * min(product, 0.5) / 2
    assert np.mean(kinetic) == pytest.approx(TEMPERATURE, rel=5 * math.sqrt(2 / samples))
    assert np.mean(squares) == pytest.approx(TEMPERATURE / (1 - product**2 / 4), rel=5 * math.sqrt(2 / samples))


def oscillator_energies(thermostat: Thermostat) -> Any:
    """Kinetic energies of one isotropic oscillator."""
    system = Oscillators(thermostat, 0.1, np.array([1.0]), seed=4)
    energies = np.empty(40_000)
    for step in range(len(energies)):
        system.advance()
        energies[step] = system.kinetic()
    return energies


def test_a_nose_hoover_chain_gives_an_oscillator_canonical_kinetic_energies() -> None:
    """The hardest case of Martyna, Klein & Tuckerman (1992): a single harmonic mode."""
    assert is_canonical(oscillator_energies(thermostat_of("nose-hoover", 3)), 3, TEMPERATURE, 40_000 / 10)


def test_a_single_nose_hoover_thermostat_fails_on_the_oscillator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: the other links so heavy that they never move, which leaves the dynamics not ergodic."""
    thermostat = thermostat_of("nose-hoover", 3)
    monkeypatch.setattr(thermostat, "_inertias", (3 * TEMPERATURE, 1e30, 1e30))
    assert not is_canonical(oscillator_energies(thermostat), 3, TEMPERATURE, 40_000 / 10)


def conserved_spread(kind: str, timestep: float, total_time: float = 20.0) -> tuple[float, float, float]:
    """Spread and drift of the conserved quantity, spread of the energy itself."""
    degrees = 3 * 20
    thermostat = thermostat_of(kind, degrees, timestep=timestep, time=2.0)
    system = Oscillators(thermostat, timestep, np.linspace(0.5, 1.5, 20))
    kept, energies = [], []
    for _ in range(round(total_time / timestep)):
        system.advance()
        energies.append(system.energy())
        value = thermostat.conserved(energies[-1])
        assert value is not None
        kept.append(value)
    half = len(kept) // 2
    return float(np.std(kept)), abs(float(np.mean(kept[half:]) - np.mean(kept[:half]))), float(np.std(energies))


@pytest.mark.parametrize("kind", ["csvr", "nose-hoover"])
def test_the_conserved_quantity_is_kept_to_second_order_where_the_energy_is_not(kind: str) -> None:
    coarse, drift, energy = conserved_spread(kind, 0.05)
    fine, _, _ = conserved_spread(kind, 0.025)
    assert energy > 1.0
    assert coarse < 0.02
    assert drift < 0.02
    assert 2.5 < coarse / fine < 6.5


def chain_equations(state: Any, degrees: int, time: float) -> Any:
    """d/dt of (2K, η₁…₃, v₁…₃) of a Nosé–Hoover chain on a free gas (Martyna, Klein & Tuckerman 1992)."""
    twice_kinetic, v = state[0], state[4:]
    weights = np.array([degrees, 1.0, 1.0]) * TEMPERATURE
    Q = weights * time**2
    held = np.array([twice_kinetic, Q[0] * v[0] ** 2, Q[1] * v[1] ** 2])
    return np.concatenate(([-2 * v[0] * twice_kinetic], v, (held - weights) / Q - v * np.array([v[1], v[2], 0.0])))


def test_a_nose_hoover_step_solves_the_equations_of_the_chain_to_fourth_order() -> None:
    errors = []
    for timestep in (0.2, 0.1):
        thermostat = thermostat_of("nose-hoover", 3, timestep=timestep, time=2.0)
        slots = slots_of(np.array([1]), velocities=np.array([[3.0, 1.0, 0.5]]))
        for step in range(round(4.0 / timestep)):
            thermostat.end_of_step(slots, step + 1)
        reference = np.array([10.25, 0, 0, 0, 0, 0, 0])
        for _ in range(4000):  # Runge–Kutta of fourth order, steps of 0.001
            h, slopes = 0.001, [chain_equations(reference, 3, 2.0)]
            for part in (h / 2, h / 2, h):
                slopes.append(chain_equations(reference + part * slopes[-1], 3, 2.0))
            reference = reference + h / 6 * (slopes[0] + 2 * slopes[1] + 2 * slopes[2] + slopes[3])
        found = [2 * slots.kinetic_energy(MASSES, 1.0, 0), *thermostat.state().values()]
        errors.append(np.abs(found - reference).max())
    assert errors[0] < 1e-3
    assert 10 < errors[0] / errors[1] < 25


@pytest.mark.parametrize("lanes", [4, 8, 16])
def test_langevin_velocities_do_not_depend_on_the_decomposition(lanes: int) -> None:
    start = thermal(700)
    whole = slots_of(np.arange(1, 701), velocities=start)
    shuffled = np.random.default_rng(3).permutation(700) + 1
    parts = [slots_of(ids, lanes, start[ids - 1]) for ids in (shuffled[:450], shuffled[450:])]
    for slots in (whole, *parts):
        thermostat = thermostat_of("langevin", 0)
        for step in (1, 2, 3):
            thermostat.end_of_step(slots, step)
    joined = np.empty((700, 3))
    for ids, slots in zip((shuffled[:450], shuffled[450:]), parts, strict=True):
        joined[np.sort(ids) - 1] = rows_of(slots)
    assert (joined == rows_of(whole)).all()


@pytest.mark.parametrize("kind", ["csvr", "nose-hoover"])
def test_ranks_scale_by_the_factor_of_the_sum_over_all(kind: str) -> None:
    start, ids = thermal(100), np.arange(1, 101)
    whole = slots_of(ids, velocities=start)
    energy = whole.kinetic_energy(MASSES, 1.0, 0)
    thermostat_of(kind, 300).end_of_step(whole, 1)
    for part in (slice(0, 30), slice(30, 100)):
        rank = slots_of(ids[part], velocities=start[part], total=lambda value: energy)
        thermostat_of(kind, 300).end_of_step(rank, 1)
        assert (rows_of(rank) == rows_of(whole)[part]).all()
    alone = slots_of(ids[:30], velocities=start[:30])
    thermostat_of(kind, 300).end_of_step(alone, 1)
    assert (rows_of(alone) != rows_of(whole)[:30]).any()


@pytest.mark.parametrize("kind", THERMOSTATS)
def test_a_restart_goes_on_bit_by_bit(kind: str) -> None:
    def steps(slots: Slots, thermostat: Thermostat, numbers: range) -> None:
        for step in numbers:
            thermostat.end_of_step(slots, step)

    through, cut = (slots_of(np.arange(1, 51), velocities=thermal(50)) for _ in range(2))
    first, second, third = (thermostat_of(kind, 147) for _ in range(3))
    steps(through, first, range(1, 21))
    steps(cut, second, range(1, 11))
    third.restore(json.loads(json.dumps(second.state())))
    steps(cut, third, range(11, 21))
    assert (through.velocities == cut.velocities).all()
    assert first.state() == third.state()
    assert first.conserved(1.0) == third.conserved(1.0)


@pytest.mark.parametrize("kind", ["csvr", "nose-hoover"])
def test_a_restart_that_forgets_the_state_is_found(kind: str) -> None:
    thermostat = thermostat_of(kind, 147)
    slots = slots_of(np.arange(1, 51), velocities=1.5 * thermal(50))
    for step in range(1, 11):
        thermostat.end_of_step(slots, step)
    assert thermostat.conserved(0.0) != thermostat_of(kind, 147).conserved(0.0)


@pytest.mark.parametrize("kind", THERMOSTATS)
def test_empty_slots_stay_at_rest_and_ghost_clusters_are_left_alone(kind: str) -> None:
    slots = slots_of(np.arange(1, 51), velocities=thermal(50))
    local = Slots(slots.velocities, slots.ids, slots.types, slots.lanes, slots.clusters - 2, float)
    before = slots.velocities.copy()
    thermostat_of(kind, 100).end_of_step(local, 1)
    ghosts = 3 * slots.lanes * local.clusters
    assert (slots.velocities[ghosts:] == before[ghosts:]).all()
    assert (slots.velocities[:ghosts] != before[:ghosts]).sum() == 3 * 3 * local.clusters
    assert not slots.velocities.reshape(-1, 3, slots.lanes)[:, :, -1].any()


@pytest.mark.parametrize("kind", THERMOSTATS)
def test_single_precision_follows_double(kind: str) -> None:
    ids, start = np.arange(1, 51), thermal(50)
    double, single = (slots_of(ids, velocities=start, dtype=dtype) for dtype in ("f8", "f4"))
    for slots in (double, single):
        thermostat = thermostat_of(kind, 147)
        for step in range(1, 11):
            thermostat.end_of_step(slots, step)
    assert single.velocities.dtype == np.float32
    assert np.abs(rows_of(single) - rows_of(double)).max() < 1e-5


def test_kinetic_energy_is_the_plain_sum_in_the_units_of_the_system() -> None:
    slots = slots_of(np.arange(1, 51), lanes=8, velocities=thermal(50))
    masses = MASSES[(np.arange(1, 51) + 1) % 2]
    expected = 0.5 * (masses[:, None] * thermal(50) ** 2).sum() * METAL.mass_velocity2
    found = kinetic_energy(slots.velocities, slots.types, MASSES, 8, slots.clusters, METAL.mass_velocity2)
    assert found == pytest.approx(expected, rel=1e-14)


def test_nve_has_no_thermostat_and_all_others_need_full_steps() -> None:
    assert make_thermostat("nve", 0.0, 0.0, 0, 0.005, 0, LJ, MASSES) is None
    assert all(thermostat_of(kind, 30).needs_full_step for kind in THERMOSTATS)
    assert thermostat_of("langevin", 30).conserved(1.0) is None


@pytest.mark.parametrize(
    ("kind", "changes", "sentence"),
    [
        ("nosé\n", {}, "ensemble 'nosé\\n' is unknown (known: csvr, langevin, nose-hoover, nve)"),
        ("langevn", {}, "did you mean 'langevin'"),
        ("csvr", {"temperature": 0.0}, "ensemble csvr: temperature = 0.0: expected a positive number"),
        ("langevin", {"time": math.inf}, "time = inf: expected a positive number"),
        ("langevin", {"timestep": math.nan}, "timestep = nan: expected a positive number"),
        ("csvr", {"seed": -1}, "seed = -1: expected"),
        ("csvr", {"seed": 2**63}, "expected 0 ≤ seed < 2⁶³"),
        ("csvr", {"degrees_of_freedom": 0}, "no degree of freedom"),
        ("nose-hoover", {"time": 0.5}, "expected at least 10 time steps of 0.1"),
    ],
)
def test_a_mistake_is_one_sentence(kind: str, changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        thermostat_of(kind, 30, **changes)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@given(
    kind=st.sampled_from(THERMOSTATS),
    state=st.dictionaries(
        st.sampled_from(["transferred", "position_1", "velocity_3", "\n"]) | st.text(max_size=5),
        st.none() | st.text(max_size=5) | st.floats() | st.integers(),
        max_size=3,
    ),
)
def test_a_foreign_state_is_taken_or_refused_in_a_sentence(kind: str, state: dict[str, Any]) -> None:
    thermostat = thermostat_of(kind, 30)
    try:
        thermostat.restore(state)
    except UsageError as error:
        assert str(error).isprintable()
    else:
        assert thermostat.state() == state


@pytest.mark.parametrize("kind", ["csvr", "nose-hoover"])
@pytest.mark.parametrize("speed", [math.nan, math.inf, 1e160])
def test_a_run_that_blows_up_ends_in_a_sentence(kind: str, speed: float) -> None:
    slots = slots_of(np.array([1]), velocities=np.full((1, 3), speed))
    with pytest.raises(ClustermarkError, match="step 7: the kinetic energy is no longer a finite number"):
        thermostat_of(kind, 3).end_of_step(slots, 7)


def test_velocities_that_a_chain_cannot_follow_end_in_the_same_sentence() -> None:
    slots = slots_of(np.array([1]), velocities=np.full((1, 3), 1e80))
    with pytest.raises(ClustermarkError, match="step 7: the kinetic energy"):
        thermostat_of("nose-hoover", 3).end_of_step(slots, 7)


def test_atoms_at_rest_cannot_be_rescaled() -> None:
    with pytest.raises(UsageError, match="kinetic energy is 0"):
        thermostat_of("csvr", 3).end_of_step(slots_of(np.array([1])), 1)
