"""Flux matching: what leaves one panel along the seam enters the other, to rounding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from climate_examples import cuts, setup_of, simulation_of
from thread_ranks import on_ranks

from clustermark.apps.climate.driver import Simulation

SECONDS_PER_DAY = 86400.0
# Name → case, levels, precision, and the raw drift of mass per day that rounding explains.
DRIFTS = {
    "water": ("tc2", 1, "double", 1e-12),
    "water single": ("tc2", 1, "single", 1e-6),
    "atmosphere": ("baroclinic_wave", 4, "double", 1e-12),
    "atmosphere mixed": ("baroclinic_wave", 4, "mixed", 1e-9),
}


def free_setup(name: str, **more: Any) -> Any:
    """A setup without the fixer, tilted where it can be."""
    case, levels, precision, _ = DRIFTS[name]
    own = {"angle": 0.8} if case == "tc2" else {"damping_hours": 6.0}
    return setup_of(case, levels, precision, **({"fixer": False} | own | more))


def drift_per_day(simulation: Simulation, steps: int = 24) -> float:
    """Relative change of the mass, by its own account."""
    simulation.advance(steps)
    return abs(simulation.look().raw_mass_drift) * SECONDS_PER_DAY / (steps * simulation.setup.timestep)


@pytest.mark.parametrize("name", DRIFTS)
def test_mass_stays_to_rounding_without_the_fixer(name: str) -> None:
    assert drift_per_day(Simulation(free_setup(name), None)) < DRIFTS[name][3]


@pytest.mark.parametrize("name", ["water", "atmosphere"])
def test_mass_drifts_without_flux_matching(name: str) -> None:
    assert drift_per_day(Simulation(free_setup(name, flux_matching=False), None)) > 1e-5


def test_a_piece_of_the_seam_that_is_left_out_shows_in_the_mass() -> None:
    simulation = Simulation(free_setup("water"), None)
    assert simulation._matching is not None
    simulation._matching._coefficients[100] = 0.0
    assert drift_per_day(simulation) > 1e-7


@pytest.mark.parametrize("name", ["water", "atmosphere mixed"])
def test_a_correction_one_step_late_shows_in_the_mass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fluxes of the first stage's state instead of the last's."""
    simulation = Simulation(free_setup(name), None)
    matching: Any = simulation._matching
    start = matching.start
    monkeypatch.setattr(matching, "start", lambda state: start(simulation.state))
    assert drift_per_day(simulation) > 10.0 * DRIFTS[name][3]


@pytest.mark.parametrize("name", ["water", "atmosphere mixed"])
def test_drift_and_mass_have_the_same_bits_on_any_ranks(name: str) -> None:
    def found(comm: Any, py: int = 0, px: int = 0) -> tuple[float, float]:
        simulation = simulation_of(free_setup(name, py=py, px=px), comm)
        simulation.advance(4)
        look = simulation.look()
        return look.mass, look.raw_mass_drift

    whole = found(None)
    for ranks in (2, 4):
        for py, px in cuts(ranks):
            assert set(on_ranks(ranks, lambda comm, py=py, px=px: found(comm, py, px))) == {whole}


@pytest.mark.parametrize("matched", [False, True])
def test_a_restart_may_turn_it_on_or_off(matched: bool) -> None:
    """The mass is then measured on other areas; that is no drift and nothing for the fixer to mend."""
    first = Simulation(free_setup("water", flux_matching=not matched), None)
    first.advance(2)
    second = Simulation(free_setup("water", flux_matching=matched, fixer=True), None)
    second.restore(first.save())
    before = np.array(second.state.mass)
    assert second.fixer.apply(second.state) and second.fixer.raw_drift == first.fixer.raw_drift
    assert np.array_equal(second.state.mass, before)


def test_water_at_rest_is_not_touched() -> None:
    simulation = Simulation(free_setup("water"), None)
    state = simulation.state
    state.u[...], state.v[...], state.mass[...] = 0.0, 0.0, 1000.0
    assert simulation._matching is not None
    simulation._matching.start(state)
    simulation._matching.finish(600.0, state)
    assert (state.mass == 1000.0).all()


def test_a_steady_flow_stays_as_steady() -> None:
    """Williamson's second case along the panels' rows, twelve hours: at most a fifth worse than without."""
    from clustermark.apps.climate.norms import error_norms

    errors = []
    for matched in (False, True):
        simulation = Simulation(setup_of("tc2", flux_matching=matched), None)
        start = simulation.gather("h")
        simulation.advance(72)
        end = simulation.gather("h")
        assert start is not None and end is not None
        errors.append(error_norms(end, start, np.ones(start.shape[1:])).l2)
    assert errors[1] < 1.2 * errors[0]
