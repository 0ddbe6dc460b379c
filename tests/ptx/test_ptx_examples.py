"""Kernels of numba and of NVRTC on the interpreter against float64 references, at odd sizes, in both precisions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

pytest.importorskip("numba.cuda.dispatcher", reason="numba-cuda is not installed: make test CUDA=1")

from ptx.examples import NAMES, Example, c_example, numba_example
from ptx.launching import Options, run_kernel
from ptx.nvrtc import compile_c

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


# function of CUDA C → the same of Python; NVIDIA's code for it works through tables, approximations and refinements
LIBRARY: dict[str, Callable[[float], float]] = {
    "sin(x)": math.sin,
    "exp(-x)": lambda x: math.exp(-x),
    "pow(x, 1.7)": lambda x: x**1.7,
    "log1p(x)": math.log1p,
    "tgamma(1 + x / 64)": lambda x: math.gamma(1 + x / 64),
    "erf(x)": math.erf,
    "tanh(x)": math.tanh,
    "cbrt(x)": math.cbrt,
    "rsqrt(x)": lambda x: 1 / math.sqrt(x),
    "atan(x)": math.atan,
}


@pytest.mark.parametrize("name", LIBRARY)
def test_functions_of_the_library_are_as_accurate_as_nvidia_says(name: str) -> None:
    """Within 8 units in the last place, in both precisions: the interpreter computes what the library rests on."""
    pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-bindings and NVRTC are not installed: make test CUDA=1")
    body = "{ int i = threadIdx.x; REAL x = a[i]; a[i] = " + name + "; }"
    for real, dtype in (("float", np.float32), ("double", np.float64)):
        expression = body.replace("1.7", "(REAL)1.7")
        text = compile_c(f'extern "C" __global__ void f(REAL* a) {expression}', (9, 0), (f"REAL={real}",))
        values = np.random.default_rng(1).uniform(0.01, 40, 128).astype(dtype)
        exponent = float(dtype(1.7))
        true = [float(v) ** exponent if "pow" in name else LIBRARY[name](float(v)) for v in values]
        run_kernel(text, 1, 128, [values], Options("c"))
        bound = 8 * np.finfo(dtype).eps * (40 if "sin" in name else 1)
        assert np.abs(values / true - 1).max() < bound


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
