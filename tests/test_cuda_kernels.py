"""Every CUDA kernel of the tree has budgets, runs on the interpreter, and has a planted fault that its checks notice.

Kernels are found in the source text; what a kernel has is told by the tables of the tests that give it: kernels on the
ladder (`cuda_helpers.ladder`), and those of the applications, which were there before it.
"""

from __future__ import annotations

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cuda_helpers.tree import ROOT, kernels_of_the_tree, plain_name

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: make test CUDA=1, or pip install '.[cuda-test]'")
pytest.importorskip(
    "cuda.bindings.nvrtc", reason="NVIDIA's compiler wheels are not installed: pip install '.[cuda-test]'"
)

from cuda_helpers.budgets import Budget
from cuda_helpers.ladder import LadderChecks, c_kernel, unnoticed_faults, where_of
from cuda_helpers.offline import kernels_in

TESTS = ROOT / "tests"


@dataclass(frozen=True)
class Rungs:
    """What a kernel has: budgets, the tests that run it on the interpreter, those that plant a fault."""

    budget: Budget | None
    run_by: str = ""
    controlled_by: str = ""


@dataclass(frozen=True)
class Application:
    """Kernels of an application: its folder, the modules and budgets of its tests, and which test does what.

    Attributes
    ----------
    budgets : module with ROWS, and with the MODULES that hold kernels
    run_by : tests that fail where a kernel of theirs was not run
    controls : file of kernels ("*" for all others) → test that shows their comparison a fault
    """

    folder: str
    budgets: str
    run_by: tuple[str, ...]
    controls: Mapping[str, str]


MD, CLIMATE = "tests/apps/md/md_cuda_simulated.py", "tests/apps/climate/test_climate_cuda"
APPLICATIONS = (
    Application(
        "md",
        "test_md_cuda",
        ("tests/ptx/test_md_kernels_ptx.py::test_every_kernel_was_run_and_most_of_its_machine_code",),
        {
            "scan_cuda": f"{MD}::test_running_totals_are_sums_of_all_before",
            "velocity_cuda": f"{MD}::test_langevin_kicks_and_kinetic_energy_are_those_of_the_cpu",
            **dict.fromkeys(
                ("halo_cuda", "integrate_cuda", "clusters_cuda"),
                "tests/ptx/test_md_kernels_ptx.py::test_a_store_left_out_of_a_kernel_is_noticed",
            ),
            "*": f"{MD}::test_forces_energy_and_virial_are_those_of_the_reference",
        },
    ),
    Application(
        "climate",
        "test_climate_cuda_code",
        (
            f"{CLIMATE}_water.py::test_every_kernel_was_run_and_most_of_its_machine_code",
            f"{CLIMATE}_atmosphere.py::test_every_kernel_was_run_and_most_of_its_machine_code",
            f"{CLIMATE}_tracer.py::test_every_kernel_was_run_and_most_of_its_machine_code",
        ),
        {
            "shallow_cuda": f"{CLIMATE}_water.py::test_the_reference_catches_a_planted_fault",
            "halo_kernels_cuda": f"{CLIMATE}_water.py::test_a_message_that_was_not_received_is_found",
            "damping_cuda": f"{CLIMATE}_atmosphere.py"
            "::test_damping_is_the_reference_to_rounding_and_a_wrong_coefficient_is_seen",
            "forcing_cuda": f"{CLIMATE}_atmosphere.py::test_forcing_is_the_formula_and_a_constant_that_is_off_is_seen",
            "sums_cuda": f"{CLIMATE}_atmosphere.py"
            "::test_sums_have_the_words_of_the_cpu_in_any_order_and_count_what_they_refuse",
            "tracer_cuda": f"{CLIMATE}_tracer.py::test_a_field_that_is_off_by_a_millionth_is_told_apart",
            "*": f"{CLIMATE}_atmosphere.py::test_the_comparison_catches_a_constant_that_is_off",
        },
    ),
)


def imported(name: str, path: Path) -> Any:
    """A test module, with the helpers beside it."""
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    return importlib.import_module(name)


def on_the_ladder() -> Iterator[tuple[str, Rungs]]:
    """Kernels of the classes of LadderChecks, whose four tests each kernel goes through."""
    for path in sorted(TESTS.rglob("test_*.py")):
        if path.name != Path(__file__).name and "(LadderChecks)" in path.read_text(encoding="utf-8"):
            for value in vars(imported(path.stem, path)).values():
                if isinstance(value, type) and issubclass(value, LadderChecks):
                    for kernel in value.KERNELS:
                        where = f"{path.relative_to(ROOT)}::{value.__name__}"
                        yield kernel.where, Rungs(kernel.budget, where, where)


def of_applications() -> Iterator[tuple[str, Rungs]]:
    """Kernels of the applications."""
    for application in APPLICATIONS:
        tests = imported(application.budgets, TESTS / "apps" / application.folder / "x.py")
        for name, kernel in kernels_in(tests.MODULES).items():
            file = name.split(".")[0]
            control = application.controls.get(file, application.controls["*"])
            run_by = " and ".join(test for test in application.run_by if exists(test))
            yield where_of(kernel), Rungs(tests.ROWS.get(name), run_by, control if exists(control) else "")


def exists(test: str) -> bool:
    """Whether "file::function" stands in the tree."""
    file, function = test.split("::")
    path = ROOT / file
    return (
        path.is_file() and re.search(rf"^def {function}\(", path.read_text(encoding="utf-8"), re.MULTILINE) is not None
    )


def missing_rungs(kernels: Iterable[str], rungs: Mapping[str, Rungs]) -> list[str]:
    """One sentence for each thing that a kernel lacks."""
    found = []
    for kernel in kernels:
        has = rungs.get(kernel, Rungs(None))
        if has.budget is None:
            found.append(f"{kernel}: has no audit budget; put it on the ladder (docs/cuda-without-a-gpu.md)")
        if not has.run_by:
            found.append(f"{kernel}: is not run on the interpreter; give it cases")
        if not has.controlled_by:
            found.append(f"{kernel}: has no planted fault; show its comparison a wrong kernel")
    return found


@pytest.fixture(scope="module")
def rungs() -> dict[str, Rungs]:
    return dict(on_the_ladder()) | dict(of_applications())


def test_every_kernel_of_the_tree_has_every_rung(rungs: dict[str, Rungs]) -> None:
    kernels = kernels_of_the_tree()
    assert len(kernels) > 60
    assert missing_rungs(kernels, rungs) == []


def test_every_rung_has_its_kernel_in_the_tree(rungs: dict[str, Rungs]) -> None:
    assert set(rungs) - set(kernels_of_the_tree()) == set()


PLANTED = {
    "apps/qmc/move_cuda.py": "@cuda.jit(cache=True)\ndef move(x): ...\n@cuda.jit(device=True)\ndef helper(x): ...\n"
    "def make():\n    @numba.cuda.jit\n    def inner(x): ...\n    return inner\n",
    "benchmarks/kernels/fft.cu": 'template <int N> __device__ void helper();\nextern "C" __global__ void\n'
    "__launch_bounds__(256, 2) turn(float* x) {}\n",
}


def test_a_planted_kernel_is_found_and_what_it_lacks_is_named(tmp_path: Path) -> None:
    for name, text in PLANTED.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    kernels = kernels_of_the_tree(tmp_path)
    assert sorted(kernels) == [
        "apps/qmc/move_cuda.py:inner",
        "apps/qmc/move_cuda.py:move",
        "benchmarks/kernels/fft.cu:turn",
    ]
    sentences = missing_rungs(kernels, {"apps/qmc/move_cuda.py:move": Rungs(Budget(8), "x", "x")})
    assert len(sentences) == 6
    (sentence,) = missing_rungs(["a.cu:f"], {"a.cu:f": Rungs(Budget(8), "x")})
    assert sentence.startswith("a.cu:f: has no planted fault")
    (sentence,) = missing_rungs(["a.cu:f"], {"a.cu:f": Rungs(Budget(8), "", "x")})
    assert sentence.startswith("a.cu:f: is not run on the interpreter")
    (sentence,) = missing_rungs(["a.cu:f"], {"a.cu:f": Rungs(None, "x", "x")})
    assert sentence.startswith("a.cu:f: has no audit budget")


def test_a_test_that_is_gone_controls_nothing() -> None:
    assert exists("tests/test_cuda_kernels.py::test_a_test_that_is_gone_controls_nothing")
    assert not exists("tests/test_cuda_kernels.py::test_that_was_renamed")


def test_names_of_kernels_are_read_out_of_ptx() -> None:
    assert plain_name("stream_add") == "stream_add"
    assert plain_name("_ZN11clustermark4apps2md9halo_cuda9pack_rowsB2v1E5ArrayIdLi1E") == (
        "clustermark.apps.md.halo_cuda.pack_rows"
    )
    assert plain_name("_ZN7example4axpyB2v1E") == ""


def test_cases_that_notice_nothing_are_found() -> None:
    """A comparison with a bound that lets everything pass, and cases that do not reach the code."""
    ladders = imported("benchmark_ladders", TESTS / "benchmarks" / "benchmark_ladders.py")
    file = "benchmarks/kernels/stream.cu"
    blind = c_kernel(
        *(file, "stream_add", ladders.REALS, Budget(24), ladders.stream_cases("add", "C")),
        bounds={"float32": float("inf"), "float64": float("inf")},
    )
    planted, missed = unnoticed_faults(blind, "float32")
    assert planted >= 2
    assert "store left out" in missed
