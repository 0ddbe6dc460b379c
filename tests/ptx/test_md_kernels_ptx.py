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

from cuda_helpers.offline import kernels_in

from ptx.device import InterpretedDevice
from ptx.faults import SharedRaceError
from ptx.launching import Options
from ptx.linker import load_program

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
    from cuda_helpers.offline import Launch, compile_offline

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
