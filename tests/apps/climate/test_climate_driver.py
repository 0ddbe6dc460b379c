"""The order of a step: any threads, any overlap, any cut and any restart give the same bits; the mass stays."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from climate_examples import SCENARIOS, cuts, fields_of, setup_of, simulation_of
from thread_ranks import on_ranks

from clustermark.apps.climate.driver import Simulation
from clustermark.apps.climate.norms import error_norms
from clustermark.core.errors import ClustermarkError, UsageError


def differing(one: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """Names of the arrays that are not the same bits."""
    assert set(one) == set(other)
    return [name for name in one if not np.array_equal(one[name], other[name])]


@pytest.mark.parametrize("name", SCENARIOS)
def test_threads_change_no_bit(name: str) -> None:
    assert differing(fields_of(name, None), fields_of(name, None, threads=2)) == []


@pytest.mark.parametrize(
    "name",
    ["water", "water single", "water damped", "water with tracer", "atmosphere", "atmosphere mixed"],
)
def test_working_beside_the_halo_changes_no_bit(name: str) -> None:
    assert differing(fields_of(name, None, overlap=True), fields_of(name, None, overlap=False)) == []


@pytest.mark.parametrize(
    "name",
    ["water single", "water with tracer", "atmosphere", "atmosphere mixed", "atmosphere with tracer", "mountains"],
)
@pytest.mark.parametrize("ranks", [2, 3, 4])
def test_cutting_the_panels_changes_no_bit(name: str, ranks: int) -> None:
    whole = fields_of(name, None)
    for py, px in cuts(ranks):
        parts = on_ranks(ranks, lambda comm, py=py, px=px: fields_of(name, comm, py, px))
        assert differing(whole, parts[0]) == [], (py, px)


def test_a_step_with_a_stale_halo_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the comparisons above are for: without the exchange before the damping other numbers come out."""
    whole = fields_of("atmosphere", None)
    shared = Simulation._share_halo
    calls = iter(range(10**6))

    def forgets_one(self: Simulation, state: Any) -> None:
        if next(calls) != 3:
            shared(self, state)

    monkeypatch.setattr(Simulation, "_share_halo", forgets_one)
    assert "u" in differing(whole, fields_of("atmosphere", None))


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_restart_goes_on_bit_by_bit(name: str) -> None:
    """Saved after three steps, so that the damping comes in the second part and its phase counts."""
    setup, steps = SCENARIOS[name]
    first = Simulation(setup, None)
    first.advance(3)
    second = Simulation(replace(setup, overlap=False), None)
    second.restore(first.save())
    assert (second.step, second.time) == (3, 3 * setup.timestep)
    second.advance(steps - 3)
    assert differing(fields_of(name, None), second.save() or {}) == []


def test_a_restart_on_other_ranks_goes_on_bit_by_bit() -> None:
    setup, steps = SCENARIOS["atmosphere"]
    first = Simulation(setup, None)
    first.advance(3)
    saved = first.save()

    def second(comm: Any) -> dict[str, Any]:
        simulation = simulation_of(setup, comm)
        simulation.restore(saved if comm.rank == 0 else None)
        simulation.advance(steps - 3)
        return simulation.save() or {}

    assert differing(fields_of("atmosphere", None), on_ranks(2, second)[0]) == []


@pytest.mark.parametrize(("name", "most"), [("water", 1e-13), ("water single", 1e-6), ("atmosphere mixed", 1e-13)])
def test_the_fixer_keeps_the_mass_and_accounts_for_what_it_did(name: str, most: float) -> None:
    setup, _ = SCENARIOS[name]
    kept, free = Simulation(setup, None), Simulation(replace(setup, fixer=False), None)
    begun = kept.look().mass
    kept.advance(5)
    free.advance(5)
    assert abs(kept.look().mass / begun - 1) <= most
    drift = free.look().mass / begun - 1
    assert free.look().raw_mass_drift == pytest.approx(drift, rel=1e-6, abs=1e-12)
    assert kept.look().raw_mass_drift == pytest.approx(drift, rel=0.05, abs=2 * most)
    assert free.look().fixer_work == 0 and kept.look().fixer_work == -kept.look().raw_mass_drift


def test_a_balanced_flow_stays() -> None:
    """Williamson's second case, tilted, over six hours."""
    simulation = Simulation(setup_of("tc2", angle=0.8), None)
    start = simulation.gather("h")
    simulation.advance(36)
    end = simulation.gather("h")
    assert start is not None and end is not None
    norms = error_norms(end, start, np.ones(start.shape[1:]))
    assert 0 < norms.l2 < 8e-4


def test_winds_come_out_as_they_went_in() -> None:
    """Averages of the faces, turned to the true directions, against the wind of the case at the centres."""
    simulation = Simulation(setup_of("tc2", angle=0.8), None)
    east, north = simulation.gather("u_east"), simulation.gather("v_north")
    assert east is not None and north is not None
    from clustermark.apps.climate.grid import true_points
    from clustermark.apps.climate.layout import HALO

    inside = np.s_[HALO:-HALO, HALO:-HALO]
    for panel in (0, 1):
        longitude, latitude = true_points(simulation.grid, panel, "center")
        expected = simulation.model.case.wind(longitude, latitude)  # pyright: ignore[reportCallIssue]  # of water
        for found, exact in zip((east[panel], north[panel]), expected, strict=True):
            assert np.abs(found - exact[inside]).max() < 0.1


def test_an_unstable_step_ends_in_a_sentence() -> None:
    simulation = Simulation(setup_of("held_suarez", 5, timestep=6000.0, damping_hours=0.0), None)
    with pytest.raises(ClustermarkError, match=r"^step \d+: \w+ (is|has) .*; use a shorter timestep") as raised:
        simulation.advance(500)
    assert raised.value.exit_code == 4


def test_a_value_that_is_no_number_is_named_with_step_field_and_place() -> None:
    simulation = Simulation(setup_of("held_suarez", 5), None)
    simulation.state.mass[0, 8, 9] = np.nan
    with pytest.raises(ClustermarkError, match=r"^step 1: ps is nan at -?\d+\.\d° N -?\d+\.\d° E; use a shorter"):
        simulation.advance(1)


def test_a_mass_that_has_grown_beyond_all_bounds_is_named() -> None:
    simulation = Simulation(setup_of("tc5", damping_every=1000), None)
    simulation.state.mass[0, 8, 9] *= 1e6
    with pytest.raises(ClustermarkError, match=r"^step 1: h (is|has) .*; use a shorter timestep"):
        simulation.advance(1)


def test_a_damping_that_would_blow_up_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"damping\.hours is 0\.5, too strong for 4 steps of 600 s between two dampings"
    ):
        Simulation(setup_of("held_suarez", 5, damping_hours=0.5), None)


def test_more_threads_than_numba_has_are_refused() -> None:
    with pytest.raises(UsageError, match="threads is 4096, numba was started with"):
        Simulation(setup_of("tc5", threads=4096), None)
