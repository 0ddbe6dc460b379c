"""Molecular dynamics as a workload: its answer is proven in every precision, and planted faults are caught."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from engine_examples import engine
from hypothesis import given
from hypothesis import strategies as st
from physics_examples import disturbed, fcc, one_type, two_metals
from thread_ranks import on_ranks

from clustermark.apps import APPS
from clustermark.apps.md import evaluation, trial
from clustermark.apps.md.bricks import choose_grid
from clustermark.apps.md.counted_work import PAIRS, step_flops
from clustermark.apps.md.driver import Simulation
from clustermark.apps.md.interactions import make_interaction
from clustermark.apps.md.pair_list import END, FIRST
from clustermark.apps.md.reference import pair_energy_forces
from clustermark.apps.md.trial import force_error
from clustermark.core.case import Case
from clustermark.core.context import Context
from clustermark.core.counters import ERROR
from clustermark.core.errors import UsageError
from clustermark.core.precision import PRECISIONS
from clustermark.core.workload import Check, ParamValue, Trial, Workload
from clustermark.devices.cpu import CpuDevice
from clustermark.transports.local import LocalTransport

SMALL: dict[str, dict[str, ParamValue]] = {"md": {"cells": 4}, "climate": {"resolution": 7.5, "levels": 5}}
POTENTIALS = ("lj", "eam")


def case_of(workload: Workload, precision: str = "fp64", ranks: int = 1, **params: Any) -> Case:
    """A case with small parameters."""
    chosen = {p.name: p.default for p in workload.params} | SMALL.get(workload.name, {}) | params
    return Case(workload.name, workload.version, chosen, precision, "cpu", "local", "self", ranks, ranks)


def trial_of(case: Case) -> Trial:
    """The case made ready on the local transport."""
    context = Context(CpuDevice(), LocalTransport(), PRECISIONS[case.precision], np.random.default_rng(3))
    return APPS[case.workload].prepare(case, context)


def check_after(case: Case, steps: int = 2) -> Check:
    """The check of a trial whose steps have been made."""
    made = trial_of(case)
    for _ in range(steps):
        made.step()
    return made.check()


@pytest.mark.parametrize("name", APPS)
def test_every_declaration_says_what_its_users_need(name: str) -> None:
    workload = APPS[name]
    assert workload.name == name
    assert workload.summary and workload.source
    assert set(workload.precisions) <= set(PRECISIONS)
    assert all(param.help and param.check(param.default) == "" for param in workload.params)
    assert workload.refuse(case_of(workload)) == ""


@pytest.mark.parametrize("precision", APPS["md"].precisions)
@pytest.mark.parametrize("potential", POTENTIALS)
def test_the_answer_is_proven_in_every_precision(potential: str, precision: str) -> None:
    made = trial_of(case_of(APPS["md"], precision, potential=potential))
    for _ in range(2):
        made.step()
    check = made.check()
    assert check.passed, check
    assert 0 < check.error <= check.bound
    assert made.work["atom_steps"].value == 4 * 4**3 * 20
    assert made.work["steps"].value == 20
    assert made.counters["atoms"] == 256
    assert made.counters["pairs in range per atom"] == pytest.approx(PAIRS[potential], rel=0.01)
    assert made.work["flop_rate"].value == step_flops(potential) * made.work["atom_steps"].value
    assert made.work["field_bandwidth"].value > 0
    assert 0 < made.counters[ERROR + "energy drift [k_B T an atom]"] < 2e-3


class ThreadTransport(LocalTransport):
    """A transport of ranks that are threads, as far as a trial uses it."""

    def __init__(self, comm: Any) -> None:
        self.comm, self.rank, self.size = comm, comm.rank, comm.size

    def broadcast(self, value: Any) -> Any:
        return self.comm.bcast(value, 0)


@pytest.mark.parametrize("potential", POTENTIALS)
def test_all_ranks_come_to_the_same_check(potential: str) -> None:
    case = case_of(APPS["md"], ranks=4, potential=potential, cells=5)

    def main(comm: Any) -> tuple[Check, float]:
        context = Context(CpuDevice(), ThreadTransport(comm), PRECISIONS["fp64"], np.random.default_rng(comm.rank))
        made = APPS["md"].prepare(case, context)
        made.step()
        return made.check(), made.work["atom_steps"].value

    found = on_ranks(4, main)
    assert len(set(found)) == 1
    assert found[0][0].passed and found[0][1] == 4 * 5**3 * 20


@pytest.mark.parametrize("params", [{"overlap": False}, {"every": 1}, {"every": 7}, {"cells": 3}])
def test_every_parameter_is_used(params: dict[str, Any]) -> None:
    made = trial_of(case_of(APPS["md"], **params))
    made.step()
    assert made.check().passed
    assert made.work["steps"].value == params.get("every", 20)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("cells", 2, "expected 3 to 2000"),
        ("cells", 2001, "expected 3 to 2000"),
        ("every", 0, "expected 1 to 1000"),
        ("every", 1001, "expected 1 to 1000"),
        ("potential", "tersoff", "expected one of lj, eam"),
    ],
)
def test_a_parameter_out_of_range_is_told(name: str, value: ParamValue, sentence: str) -> None:
    param = APPS["md"].param(name)
    assert param is not None and param.check(value) == sentence


# --- planted faults -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("precision", APPS["md"].precisions)
@pytest.mark.parametrize("potential", POTENTIALS)
def test_a_shorter_cutoff_is_caught(potential: str, precision: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def shorter(*arguments: Any) -> Any:
        interaction = make_interaction(*arguments)
        return interaction._replace(cutoff_square=interaction.cutoff_square * type(interaction.one)(0.9))

    monkeypatch.setattr(evaluation, "make_interaction", shorter)
    check = check_after(case_of(APPS["md"], precision, potential=potential))
    assert not check.passed and check.error > check.bound


def test_one_wrong_force_among_those_looked_at_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Simulation.gather_forces
    looked_at = np.random.default_rng(3).choice(256, trial.SAMPLED_ATOMS, replace=False)[-1]

    def wrong(self: Simulation) -> Any:
        forces = real(self)
        assert forces is not None
        forces[looked_at, 2] *= 1 + 1e-9
        return forces

    monkeypatch.setattr(Simulation, "gather_forces", wrong)
    check = check_after(case_of(APPS["md"]))
    assert not check.passed and check.error > check.bound


def test_forces_that_are_no_numbers_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Simulation, "gather_forces", lambda self: np.full((self.number, 3), np.nan))
    check = check_after(case_of(APPS["md"]))
    assert not check.passed and check.error == float("inf")


@pytest.mark.parametrize("potential", POTENTIALS)
def test_energy_that_comes_from_nowhere_is_caught(potential: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Simulation.march

    def heated(self: Simulation, steps: int) -> None:
        real(self, steps)
        self.layout.velocities *= self.layout.master_type.type(1.005)

    monkeypatch.setattr(Simulation, "march", heated)
    check = check_after(case_of(APPS["md"], potential=potential))
    assert check.error <= check.bound and not check.passed, "the forces are right, the energy is not"
    assert "total energy has changed by" in check.detail


def test_a_list_that_forgets_pairs_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every second entry of the runs for both atoms is dropped."""
    real = evaluation.Evaluation.prepare

    def forgetful(self: evaluation.Evaluation, layout: Any) -> None:
        real(self, layout)
        runs = layout.local_list.runs[: layout.local_list.size]
        runs[::2, FIRST] = np.minimum(runs[::2, FIRST] + 1, runs[::2, END])

    made = trial_of(case_of(APPS["md"], potential="eam"))
    monkeypatch.setattr(evaluation.Evaluation, "prepare", forgetful)
    check = made.check()
    assert not check.passed and check.error > check.bound


def test_a_list_that_lives_too_long_is_caught() -> None:
    check = check_after(case_of(APPS["md"], every=200), 5)
    assert check.error <= check.bound and not check.passed


@pytest.mark.parametrize(("cells", "precision"), [(3, "fp64"), (4, "fp32"), (6, "mixed")])
def test_long_runs_of_small_systems_pass(cells: int, precision: str) -> None:
    """The energy of a cut potential wanders with the number of pairs in range; what is conserved does not."""
    check = check_after(case_of(APPS["md"], precision, cells=cells), 100)
    assert check.passed, check


@pytest.mark.parametrize("potential", [one_type(2.5), two_metals()])
def test_the_droplet_has_the_force_of_the_whole(potential: Any) -> None:
    atoms = disturbed(fcc((4, 4, 4), 1.7 if len(getattr(potential, "elements", "A")) == 1 else 3.8), 0.1)
    forces = pair_energy_forces(atoms, potential).forces
    rng = np.random.default_rng(1)
    assert force_error(atoms, forces, potential, potential.largest_cutoff, rng) < 1e-13
    assert force_error(atoms, forces * (1 + 1e-6), potential, potential.largest_cutoff, rng) > 1e-8
    by_engine = engine(atoms, potential).gather_forces()
    assert by_engine is not None
    assert force_error(atoms, by_engine, potential, potential.largest_cutoff, rng) < 1e-12


# --- refusals -----------------------------------------------------------------------------------------------


def cuts(case: Case) -> bool:
    """Whether the engine can cut the box of a case into bricks."""
    setup = trial.make_setup(replace(case, params={**case.params, "cells": 3}), True)
    assert setup.atoms is not None
    try:
        choose_grid(case.ranks, setup.atoms.box / 3 * int(case.params["cells"]), setup.cutoff + setup.rule.skin)
    except UsageError:
        return False
    return True


@given(st.integers(3, 2000) | st.integers(3, 40), st.integers(1, 300), st.sampled_from(POTENTIALS))
def test_what_is_refused_is_what_the_engine_cannot_cut(cells: int, ranks: int, potential: str) -> None:
    case = case_of(APPS["md"], ranks=ranks, cells=cells, potential=potential)
    refusal = APPS["md"].refuse(case)
    assert (refusal == "") is cuts(case)
    assert refusal == "" or f"cannot cut {cells} cells a side into {ranks} bricks" in refusal


@pytest.mark.parametrize(("potential", "cells"), [("eam", 16), ("lj", 5), ("eam", 9)])
def test_refusals_near_the_limit_are_those_of_the_engine(potential: str, cells: int) -> None:
    for ranks in range(1, 130):
        case = case_of(APPS["md"], ranks=ranks, cells=cells, potential=potential)
        assert (APPS["md"].refuse(case) == "") is cuts(case), (cells, ranks)
