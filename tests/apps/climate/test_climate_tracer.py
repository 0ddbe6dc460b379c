"""A tracer in the model: a constant stays, nothing falls below zero, the bell goes round, long steps are refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from climate_examples import setup_of
from validate.climate_transport import MOST, TILTS, bell, carrier

from clustermark.apps.climate.cases.tracers import TRACERS, cosine_bell
from clustermark.apps.climate.driver import Simulation
from clustermark.apps.climate.keys import TRACER_SHAPES
from clustermark.apps.climate.layout import Floats
from clustermark.core.errors import ClustermarkError


def tracer_of(simulation: Simulation) -> Floats:
    """(2, [levels,] rows, columns) of the tracer."""
    found = simulation.gather("tracer")
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("case", "levels", "precision", "most"),
    [("tc5", 1, "double", 1e-14), ("held_suarez", 5, "double", 1e-14), ("held_suarez", 5, "mixed", 1e-6)],
)
def test_a_uniform_tracer_stays(case: str, levels: int, precision: str, most: float) -> None:
    simulation = Simulation(setup_of(case, levels, precision, tracer="uniform"), None)
    simulation.advance(10)
    assert np.abs(tracer_of(simulation) - 1.0).max() < most


@pytest.mark.parametrize("precision", ["double", "mixed"])
def test_sharp_edges_stay_between_their_values(precision: str) -> None:
    """In a wind that blows across the cylinder and the seam, over eight hours."""
    setup = setup_of("baroclinic_wave", 4, precision, damping_hours=6.0, tracer="slotted_cylinder")
    simulation = Simulation(setup, None)
    simulation.advance(48)
    found = tracer_of(simulation)
    assert found.min() >= 0.0
    assert 0.5 < found.max() < 1.05


def test_a_run_without_a_tracer_is_what_it_was() -> None:
    plain = Simulation(setup_of("held_suarez", 5), None)
    carrying = Simulation(setup_of("held_suarez", 5, tracer="cosine_bell"), None)
    assert plain.tracer is None and "tracer" not in plain.outputs and "tracer" not in plain.state_shapes()
    for simulation in (plain, carrying):
        simulation.advance(5)
    for name in plain.outputs:
        assert np.array_equal(plain.gather(name), carrying.gather(name)), name  # pyright: ignore[reportArgumentType]  # rank 0
    assert "tracer" in carrying.outputs and "tracer" in carrying.look().largest


@pytest.mark.parametrize("tilt", TILTS)
def test_the_cosine_bell_goes_round(tilt: str, tmp_path: Path) -> None:
    """Williamson's first case at 4.5° and 2.25°; the bell has 4 and 8 cells across its radius."""
    coarse, fine = (bell(TILTS[tilt], cells, tmp_path) for cells in (20, 40))
    assert coarse["l2"] < 0.4 and fine["l2"] < MOST
    assert coarse["least"] >= 0.0 and fine["least"] >= 0.0
    assert fine["sum"] == pytest.approx(1.0, abs=2e-3)
    assert fine["planted"] > 2.0 * MOST


def test_a_bell_in_half_the_wind_across_shows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What the bounds above are for: the wind along the panels' columns is half of what it should be."""
    from validate import climate_transport

    def slow(cells: int, angle: float) -> Simulation:
        model = carrier(cells, angle)
        model.state.v[...] *= 0.5
        return model

    monkeypatch.setattr(climate_transport, "carrier", slow)
    assert bell(TILTS["54.7°"], 20, tmp_path)["l2"] > 0.6


def test_a_step_in_which_too_much_leaves_a_cell_is_refused() -> None:
    simulation = Simulation(setup_of("tc2", tracer="cosine_bell"), None)
    assert simulation.look().step == 0
    simulation.state.u[...] *= 8.0
    with pytest.raises(
        ClustermarkError, match=r"^step 0: 0\.\d+ of a cell's mass leaves it in one step, .* shorten run"
    ):
        simulation.look()


def test_a_tracer_goes_on_from_a_restart_and_a_file_without_one_is_refused() -> None:
    setup = setup_of("tc5", tracer="cosine_bell")
    first = Simulation(setup, None)
    first.advance(2)
    saved = first.save()
    second = Simulation(replace(setup, tracer="uniform"), None)
    second.restore(saved)
    assert np.array_equal(tracer_of(second), tracer_of(first))
    assert second.state_shapes()["tracer"] == (2, 1, 16, 40)


def test_every_shape_has_a_name_and_lies_between_zero_and_one() -> None:
    assert set(TRACERS) == set(TRACER_SHAPES)
    longitude, latitude = np.meshgrid(np.linspace(-np.pi, np.pi, 200), np.linspace(-1.5, 1.5, 101))
    for shape in TRACERS.values():
        values = shape(longitude, latitude)
        assert values.min() >= 0.0 and values.max() <= 1.0 and values.max() > 0.95
    assert cosine_bell(np.array([1.5 * np.pi]), np.array([0.0])) == 1.0
