"""The CUDA kernels of molecular dynamics on a real GPU: the comparisons that the interpreter goes through."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba.cuda.dispatcher", reason="numba-cuda is not installed: make test CUDA=1")
sys.path.append(str(Path(__file__).parents[2] / "ptx"))

import engine_examples as engines
import md_cuda_simulated as simulated
from cuda_helpers.real_gpu import RealGpu

interpreted: Any = importlib.import_module("test_md_kernels_ptx")
pytestmark = pytest.mark.gpu
PRECISIONS = ("double", "mixed")
COMPARISONS: list[tuple[Callable[..., None], tuple[Any, ...]]] = [
    *((simulated.test_running_totals_are_sums_of_all_before, (n,)) for n in (1, 65, 4097)),
    *((simulated.test_atoms_get_the_slots_that_the_cpu_gives_them, (lanes,)) for lanes in (4, 8)),
    *((simulated.test_padding_scatter_collect_and_boxes_are_those_of_the_cpu, (t,)) for t in ("float64", "float32")),
    *((simulated.test_the_list_holds_every_pair_within_reach_once_for_each_of_its_atoms, (p,)) for p in PRECISIONS),
    *(
        (simulated.test_forces_energy_and_virial_are_those_of_the_reference, (name, precision))
        for name in simulated.POTENTIALS
        for precision in PRECISIONS
    ),
    *(
        (simulated.test_three_lists_give_the_forces_on_atoms_and_ghosts_and_count_each_pair_once, (t,))
        for t in ("float64", "float32")
    ),
    (simulated.test_three_lists_give_the_electron_density_at_atoms_and_that_of_atoms_at_ghosts, ()),
    *(
        (simulated.test_kicks_drifts_and_displacements_are_those_of_the_cpu, types)
        for types in (("float64", "float64"), ("float64", "float32"), ("float32", "float32"))
    ),
    *((simulated.test_messages_are_packed_and_unpacked_as_on_the_cpu, (t,)) for t in ("float64", "float32")),
    *((simulated.test_langevin_kicks_and_kinetic_energy_are_those_of_the_cpu, (t,)) for t in ("float64", "float32")),
    (
        simulated.test_three_steps_with_a_new_list_between_are_those_of_the_cpu,
        ("two types", "double", simulated.Ensemble("langevin", 1.0, 0.5, 3)),
    ),
    (
        simulated.test_three_steps_with_a_new_list_between_are_those_of_the_cpu,
        ("one type, cut", "single", simulated.Ensemble()),
    ),
]


@pytest.fixture(autouse=True)
def on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(interpreted, "RESIDENT", RealGpu())
    with RealGpu().installed() as gpu:
        yield gpu


@pytest.mark.parametrize(
    ("comparison", "arguments"),
    COMPARISONS,
    ids=[f"{comparison.__name__.removeprefix('test_')} {arguments}" for comparison, arguments in COMPARISONS],
)
def test_kernels(comparison: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    comparison(*arguments)


@pytest.mark.parametrize("name", interpreted.RUNS)
def test_steps_of_the_engine_are_those_of_the_cpu(name: str) -> None:
    ranks, setup = interpreted.RUNS[name]
    found, expected, longer = (
        interpreted.after_steps(ranks, replace(setup, device=device, timestep=factor * setup.timestep), 1, 2)
        for device, factor in (("cuda", 1.0), ("cpu", 1.0), ("cpu", 1.001))
    )
    assert interpreted.wrong(found, expected, setup.precision) == []
    assert {"positions", "velocities"} <= set(interpreted.wrong(found, longer, setup.precision))


@pytest.mark.parametrize("precision", interpreted.BOUNDS)
def test_a_step_of_a_larger_liquid_is_that_of_the_cpu(precision: str) -> None:
    """Some thousand atoms: several blocks of every kernel."""
    atoms = interpreted.examples.disturbed(interpreted.examples.fcc((12, 12, 12), 1.68), 0.1)
    atoms = replace(atoms, velocities=np.random.default_rng(7).normal(size=atoms.positions.shape))
    rule = simulated.ListRule(0.3, 20, check=False)
    setup = engines.setup_of(atoms, simulated.one_type(2.5), rule=rule, precision=precision)
    found, expected = (interpreted.after_steps(1, replace(setup, device=device), 1, 0) for device in ("cuda", "cpu"))
    assert interpreted.wrong(found, expected, precision) == []
