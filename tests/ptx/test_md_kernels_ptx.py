"""The CUDA kernels of the molecular dynamics, as the PTX that a GPU would get, against the CPU and the O(N²) reference.

The comparisons are those that numba's simulator goes through (tests/apps/md/md_cuda_simulated.py), each with its
planted fault. There the Python of a kernel runs; here the machine code does, with its float32, its fused
multiplications and fast reciprocals, and every access is checked for bounds, races and memory that nothing wrote.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.append(str(Path(__file__).parents[1] / "apps" / "md"))
pytest.importorskip("numba.cuda.dispatcher", reason="numba-cuda is not installed: make test CUDA=1")
pytest.importorskip("md_cuda_simulated", reason="apps/md has no CUDA kernels here (*_cuda.py)")

from cuda_helpers.counts import LADDER
from cuda_helpers.offline import Launch, compile_offline, kernels_in

from clustermark.apps.md import integrate_cpu
from ptx.device import InterpretedDevice, to_device
from ptx.faults import PtxError, SharedRaceError
from ptx.launching import Options
from ptx.linker import load_program
from ptx.mutants import planted_faults

integrate_cuda: Any = importlib.import_module("clustermark.apps.md.integrate_cuda")
pytestmark = pytest.mark.timeout(900)
simulated: Any = importlib.import_module("md_cuda_simulated")
DEVICE = InterpretedDevice((9, 0), Options(budget=200_000))
# Compiling takes most of the time: the rows of all precisions and potentials are for the patient.
EVERYTHING = os.environ.get("CLUSTERMARK_EVERY_PTX") == "1"
# Part of the machine code that must have run, averaged over the kernels.
LEAST_COVERED = 0.85

on_cuda = simulated.on_cuda


def rows(short: list[Any], others: list[Any]) -> list[Any]:
    """What is run always, and what is run with CLUSTERMARK_EVERY_PTX=1."""
    return short + (others if EVERYTHING else [])


@pytest.fixture(autouse=True)
def on_the_interpreter() -> Iterator[InterpretedDevice]:
    with DEVICE.installed() as device:
        yield device


@pytest.mark.parametrize("n", rows([4097], [1, 65]))
def test_running_totals(n: int) -> None:
    simulated.test_running_totals_are_sums_of_all_before(n)


@pytest.mark.parametrize("precision", rows(["mixed"], ["double", "single"]))
def test_three_steps(precision: str, on_cuda: Any) -> None:
    simulated.test_three_steps_with_a_new_list_between_are_those_of_the_cpu(
        "one type, cut", precision, simulated.Ensemble(), on_cuda
    )


@pytest.mark.parametrize(("master", "kernel"), rows([("float64", "float32")], [("float64",) * 2, ("float32",) * 2]))
def test_kicks_drifts_and_displacements(master: str, kernel: str) -> None:
    simulated.test_kicks_drifts_and_displacements_are_those_of_the_cpu(master, kernel)


@pytest.mark.parametrize("dtype", rows(["float32"], ["float64"]))
def test_messages_of_the_halo(dtype: str) -> None:
    simulated.test_messages_are_packed_and_unpacked_as_on_the_cpu(dtype)


@pytest.mark.parametrize("dtype", rows(["float64"], ["float32"]))
def test_langevin_kicks_and_kinetic_energy(dtype: str) -> None:
    simulated.test_langevin_kicks_and_kinetic_energy_are_those_of_the_cpu(dtype)


@pytest.mark.parametrize(
    ("name", "precision"),
    rows(
        [("copper and silver", "mixed")],
        [(n, p) for n in simulated.POTENTIALS for p in ("double", "mixed") if (n, p) != ("copper and silver", "mixed")],
    ),
)
def test_forces_energy_and_virial(name: str, precision: str, on_cuda: Any) -> None:
    simulated.test_forces_energy_and_virial_are_those_of_the_reference(name, precision, on_cuda)


if EVERYTHING:

    @pytest.mark.parametrize("lanes", [4, 8])
    def test_slots_of_atoms(lanes: int) -> None:
        simulated.test_atoms_get_the_slots_that_the_cpu_gives_them(lanes)

    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_padding_scatter_collect_and_boxes(dtype: str) -> None:
        simulated.test_padding_scatter_collect_and_boxes_are_those_of_the_cpu(dtype)

    @pytest.mark.parametrize("precision", ["double", "mixed"])
    def test_pair_list(precision: str, on_cuda: Any) -> None:
        simulated.test_the_list_holds_every_pair_within_reach_once_for_each_of_its_atoms(precision, on_cuda)

    @pytest.mark.parametrize("kernel", ["float64", "float32"])
    def test_forces_on_ghosts(kernel: str) -> None:
        simulated.test_three_lists_give_the_forces_on_atoms_and_ghosts_and_count_each_pair_once(kernel)


def test_a_barrier_left_out_of_a_sum_is_found(on_the_interpreter: InterpretedDevice) -> None:
    velocity_cuda = importlib.import_module("clustermark.apps.md.velocity_cuda")
    kernel = velocity_cuda.sum_of_squares
    arguments = (np.zeros(3 * 128), np.zeros(128, np.int32), np.ones(1), 128, (0,) * 8, np.zeros((1, 1)))
    types = tuple(map(kernel.typeof_pyval, arguments))
    text = compile_offline(Launch(kernel, types), [(9, 0)])[(9, 0)]
    on_the_interpreter.programs[kernel.py_func, types] = load_program(text.replace("bar.sync", "// bar.sync", 1))
    with pytest.raises(SharedRaceError, match="no barrier between"):
        kernel[1, 128](*arguments)
    on_the_interpreter.programs[kernel.py_func, types] = load_program(text)
    kernel[1, 128](*arguments)


def test_values_by_type_are_spread_over_slots() -> None:
    generator = np.random.default_rng(4)
    ids, types = generator.integers(-1, 3, 131), generator.integers(0, 3, 131).astype(np.int32)
    by_type, expected = generator.random(3), np.zeros(131)
    integrate_cpu.per_slot(ids, types, by_type, expected)
    found = to_device(np.full(131, np.nan))
    integrate_cuda.per_slot(*map(to_device, (ids, types, by_type)), found)
    assert (found.copy_to_host() == expected).all()


# Comparison → kernels of which the store must not be left out.
COMPARED: list[tuple[Any, tuple[Any, ...], tuple[str, ...]]] = [
    (test_values_by_type_are_spread_over_slots, (), ("spread_by_type",)),
    (
        simulated.test_messages_are_packed_and_unpacked_as_on_the_cpu,
        ("float32",),
        ("pack_rows", "unpack_rows", "add_rows"),
    ),
    (
        simulated.test_kicks_drifts_and_displacements_are_those_of_the_cpu,
        ("float64", "float32"),
        ("kick_and_drift", "kick_slots", "displacements"),
    ),
    (
        simulated.test_atoms_get_the_slots_that_the_cpu_gives_them,
        (4,),
        (
            *("clear", "count_in_columns", "clusters_in_columns", "start_columns"),
            *("place_in_columns", "rank_in_columns"),
        ),
    ),
    (
        simulated.test_padding_scatter_collect_and_boxes_are_those_of_the_cpu,
        ("float32",),
        ("pad_slots", "scatter_rows", "collect_rows", "box_clusters"),
    ),
]


@pytest.mark.parametrize(
    ("comparison", "arguments", "kernel"),
    [(comparison, arguments, kernel) for comparison, arguments, kernels in COMPARED for kernel in kernels],
    ids=[kernel for _, _, kernels in COMPARED for kernel in kernels],
)
def test_a_store_left_out_of_a_kernel_is_noticed(
    comparison: Any, arguments: tuple[Any, ...], kernel: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, planted = DEVICE.program, list[str]()

    def program(dispatcher: Any, types: tuple[Any, ...]) -> Any:
        if dispatcher.py_func.__name__ != kernel:
            return whole(dispatcher, types)
        text = compile_offline(Launch(dispatcher, types), [(9, 0)])[(9, 0)]
        (fault,) = (fault for fault in planted_faults(text) if fault.kind == "store left out")
        planted.append(fault.before)
        return load_program(fault.text)

    monkeypatch.setattr(DEVICE, "program", program)
    with LADDER.judgement(), pytest.raises((AssertionError, PtxError)):
        comparison(*arguments)
    assert planted
    LADDER.caught_a_fault()


def test_every_kernel_was_run_and_most_of_its_machine_code(request: pytest.FixtureRequest) -> None:
    here = {item.name.split("[")[0] for item in request.session.items if item.path == request.path}
    if here < {name for name in globals() if name.startswith("test_")} or request.config.getoption("keyword"):
        pytest.skip("the coverage of this file is asked for only where the whole file is run")
    modules = [
        importlib.import_module(f"clustermark.apps.md.{path.stem}")
        for path in sorted(Path(simulated.layout.__file__).parent.glob("*_cuda.py"))
    ]
    wanted = {kernel.py_func.__name__ for kernel in kernels_in(modules).values()}
    assert wanted <= {launched.name for launched in DEVICE.launches}
    ran: dict[int, tuple[str, np.ndarray]] = {}
    for launched in DEVICE.launches:
        name, before = ran.get(id(launched.report.program), (launched.name, launched.report.executed))
        ran[id(launched.report.program)] = (name, before | launched.report.executed)
    covered = [float(done.mean()) for _, done in ran.values()]
    lowest = sorted((round(float(done.mean()), 3), name) for name, done in ran.values())[:3]
    print(f"machine code run: {np.mean(covered):.1%} on average of {len(covered)} kernels; the lowest: {lowest}")
    assert np.mean(covered) > LEAST_COVERED
