"""Kernels of numba and of NVRTC on the interpreter against float64 references, at odd sizes, in both precisions."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("numba.cuda.dispatcher", reason="numba-cuda is not installed: make test CUDA=1")

from ptx.examples import NAMES, Example, c_example, numba_example
from ptx.launching import Options, run_kernel

REALS = ("float32", "float64")


def check(example: Example, kernel: str | None = None) -> None:
    for case in example.cases:
        arguments = case.fresh()
        run_kernel(example.text, case.grid, case.block, arguments, example.options, kernel)
        assert example.error(case, arguments) <= example.bound


@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize("name", NAMES)
def test_a_numba_kernel_agrees_with_its_reference(name: str, real: str) -> None:
    example = numba_example(name, real)
    check(example)


@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize("name", NAMES)
def test_a_c_kernel_agrees_with_its_reference(name: str, real: str) -> None:
    pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings and NVRTC are not installed: make test CUDA=1")
    check(c_example(name, real), name)


@pytest.mark.parametrize("capability", [(8, 0), (10, 0)])
def test_code_for_other_gpus_gives_the_same(capability: tuple[int, int]) -> None:
    example = numba_example("total", "float32", capability)
    check(example)


def test_a_wrong_result_is_found() -> None:
    example = numba_example("axpy", "float32")
    case = example.cases[0]
    arguments = case.fresh()
    run_kernel(example.text, case.grid, case.block, arguments, example.options)
    arguments[case.output][3] *= np.float32(1.0001)
    assert example.error(case, arguments) > example.bound


def test_the_order_of_atomic_additions_changes_no_more_than_rounding() -> None:
    example = numba_example("total", "float32")
    case = example.cases[0]
    for seed in range(4):
        arguments = case.fresh()
        run_kernel(example.text, case.grid, case.block, arguments, Options(atomic_seed=seed))
        assert example.error(case, arguments) <= example.bound
