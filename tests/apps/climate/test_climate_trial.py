"""The climate as a workload: its answer is proven in every precision, and planted faults are caught."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from clustermark.apps import APPS
from clustermark.apps.climate import CLIMATE, cells_of, stage_check, trial
from clustermark.apps.climate.driver import Simulation
from clustermark.apps.climate.stage_check import stage_error
from clustermark.core.case import Case
from clustermark.core.context import Context
from clustermark.core.counters import DISTANCE, ERROR
from clustermark.core.precision import PRECISIONS
from clustermark.core.workload import Trial
from clustermark.devices.cpu import CpuDevice
from clustermark.transports.local import LocalTransport

SMALL = {"resolution": 7.5, "levels": 5}


def case_of(precision: str = "fp64", ranks: int = 1, **params: Any) -> Case:
    """A case on the coarsest grid."""
    chosen = {p.name: p.default for p in CLIMATE.params} | SMALL | params
    transport = "local" if ranks == 1 else "mpi"
    return Case(CLIMATE.name, CLIMATE.version, chosen, precision, "cpu", transport, "self", ranks, ranks)


def trial_of(case: Case) -> Trial:
    """The case made ready on the local transport."""
    context = Context(CpuDevice(), LocalTransport(), PRECISIONS[case.precision], np.random.default_rng(3))
    return APPS[case.workload].prepare(case, context)


KINDS = [("held_suarez", "fp64"), ("held_suarez", "mixed"), ("tc5", "fp64"), ("tc5", "fp32")]


@pytest.mark.parametrize(("name", "precision"), KINDS)
def test_the_answer_is_proven_in_every_precision(name: str, precision: str) -> None:
    made = trial_of(case_of(precision, case=name))
    made.step()
    check = made.check()
    assert check.passed, check
    assert 0 <= check.error <= check.bound
    levels = 5 if name == "held_suarez" else 1
    assert made.work["cell_steps"].value == 2 * 16 * 40 * levels * trial.STEPS
    assert made.work["simulated_years_per_day"].rate == "SYPD"
    flops = 3 * (121 + 71 / 5 if name == "held_suarez" else 61)
    assert made.work["flop_rate"].value == pytest.approx(flops * made.work["cell_steps"].value)
    assert 0 <= made.counters[ERROR + "mass [of itself]"] <= trial.MASS_BOUND[precision]
    assert check.error <= made.counters[DISTANCE] < (1e-2 if precision != "fp64" else 1e-10)
    assert made.counters[DISTANCE] > 0
    assert ERROR + "mass without its fixer [of itself]" in made.counters
    word = 4 if precision != "fp64" else 8
    assert made.work["effective_bandwidth"].value == 6 * word * made.work["cell_steps"].value


@pytest.mark.parametrize("steps", [20, 60])
def test_rounding_of_a_flow_that_hardly_moves_is_no_error(steps: int) -> None:
    """Near rest the pressure gradient is what is left of terms ten thousand times as large."""
    made = trial_of(case_of("mixed", resolution=4.5, levels=20))
    for _ in range(steps // trial.STEPS):
        made.step()
    assert made.check().passed


FAULTY = [("held_suarez", "fp64", 1e-6), ("tc5", "fp64", 1e-6), ("held_suarez", "mixed", 0.1), ("tc5", "fp32", 0.01)]


@pytest.mark.parametrize(("name", "precision", "part"), FAULTY)
def test_a_stage_that_forgets_a_term_is_found(
    name: str, precision: str, part: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The check asks the core for one more stage: with another Coriolis parameter its answer is another."""
    made: list[Simulation] = []
    begun = Simulation.__init__

    def kept(self: Simulation, *arguments: Any) -> None:
        begun(self, *arguments)
        made.append(self)

    monkeypatch.setattr(Simulation, "__init__", kept)
    ready = trial_of(case_of(precision, case=name))
    core: Any = made[0].core
    exact, _ = stage_error(made[0], np.random.default_rng(3))
    kernel = core.coriolis.copy()
    stage = core.stage

    def other_rotation(*arguments: Any) -> None:
        core.coriolis[...] = kernel * (1 + part)
        stage(*arguments)
        core.coriolis[...] = kernel

    monkeypatch.setattr(core, "stage", other_rotation)
    allowed = 1e-11 if precision == "fp64" else trial.STAGE_BOUND[precision]
    error, distance = stage_error(made[0], np.random.default_rng(3))
    assert exact < allowed < error <= distance
    assert not ready.check().passed


def test_mass_that_went_missing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Simulation] = []
    look = Simulation.look

    def kept(self: Simulation) -> Any:
        made.append(self)
        return look(self)

    monkeypatch.setattr(Simulation, "look", kept)
    ready = trial_of(case_of(case="tc5"))
    assert ready.check().passed
    made[0].state.mass[...] *= 1 + 1e-10
    check = ready.check()
    assert not check.passed and "mass has changed by 1e-10" in check.detail


def test_a_value_that_is_no_number_fails_the_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_check, "_shallow", lambda *_: [(np.zeros(1), np.array([np.nan]), np.ones(1))])
    check = trial_of(case_of(case="tc5")).check()
    assert not check.passed and check.error == float("inf")


@pytest.mark.parametrize(("resolution", "cells"), [(2.0, 45), (4.5, 20), (0.01, 9000), (7.0, 0), (0.0, 0), (-2.0, 0)])
def test_a_resolution_divides_ninety_degrees(resolution: float, cells: int) -> None:
    assert cells_of(resolution) == cells


def test_impossible_cases_are_refused_in_a_sentence() -> None:
    assert "nothing to mix" in CLIMATE.refuse(case_of("mixed", case="tc5"))
    assert "keeps surface pressure in float64" in CLIMATE.refuse(case_of("fp32"))
    assert "cannot cut panels of 16 × 40 cells for 134 ranks" in CLIMATE.refuse(case_of(ranks=134))
    assert CLIMATE.refuse(case_of(ranks=8)) == ""
    wrong = {"case": "tc9", "resolution": 7.0, "levels": 0}
    for param in CLIMATE.params:
        if param.name in wrong:
            assert param.check(wrong[param.name]).startswith("expected "), param.name
