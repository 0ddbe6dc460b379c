"""Products by cuBLASLt on the fake GPU: 8-bit floats with scales, bf16, int8; what is missing is one sentence."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fake_gpu.gpu import FakeGpu
from fake_gpu.signatures import differences

from clustermark.benchmarks import BENCHMARKS
from clustermark.benchmarks.kernels import gemm_lt_cuda, gemm_ways_cuda
from clustermark.core.case import Case
from clustermark.core.context import Context
from clustermark.core.errors import DeviceError
from clustermark.core.precision import PRECISIONS
from clustermark.core.workload import Trial
from clustermark.devices import DEVICES
from clustermark.devices.cuda_driver import Gpu, why_no_precision
from clustermark.transports.local import LocalTransport

WAYS = [("e4m3", ""), ("e5m2", ""), ("bf16", "cublaslt"), ("int8", "cublaslt")]
LIBRARY = "nvmath.bindings.cublasLt"


@pytest.fixture
def gpu() -> Iterator[FakeGpu]:
    with FakeGpu().installed() as installed:
        yield installed


def case_of(precision: str, variant: str = "", **sizes: Any) -> Case:
    workload = BENCHMARKS["gemm"]
    params = {param.name: param.default for param in workload.params} | {"n": 48, "m": 16, "k": 80} | sizes
    return Case("gemm", 2, params | {"variant": variant}, precision, "cuda", "local", "self", 1, 1)


def trial_of(precision: str, variant: str = "", **sizes: Any) -> Trial:
    case = case_of(precision, variant, **sizes)
    assert BENCHMARKS["gemm"].refuse(case) == ""
    context = Context(DEVICES["cuda"].open(0), LocalTransport(), PRECISIONS[precision], np.random.default_rng(3))
    return BENCHMARKS["gemm"].prepare(case, context)


@pytest.mark.parametrize("inputs", ["", "positive", "cancelling"])
@pytest.mark.parametrize(("precision", "variant"), WAYS)
def test_a_product_proves_its_answer_and_fails_without_its_step(
    precision: str, variant: str, inputs: str, gpu: FakeGpu
) -> None:
    if precision == "int8" and inputs:
        assert "integers" in BENCHMARKS["gemm"].refuse(case_of(precision, variant, inputs=inputs))
        return
    trial = trial_of(precision, variant, inputs=inputs)
    assert not trial.check().passed
    trial.step()
    assert gpu.pending() == ["cublasLtMatmul"]
    check = trial.check()
    assert check.passed, check
    assert all(amount.value > 0 for amount in trial.work.values())


def test_a_row_says_which_formats_are_multiplied_and_how_they_are_scaled(gpu: FakeGpu) -> None:
    trial = trial_of("e5m2")
    assert trial.arithmetic == "e5m2 × e4m3 with a scale each, sums fp32, result fp32; native"
    assert trial_of("e4m3").arithmetic.startswith("e4m3 × e4m3 with")
    # Numbers below ½ reach beyond half of the largest one: 57344 and 448.
    assert (trial.counters["scale of A"], trial.counters["scale of B"]) == (2.0**-16, 2.0**-9)


def test_scales_are_powers_of_two_that_let_nothing_overflow() -> None:
    for most in (1e-30, 0.4999, 0.5, 448.0, 449.0, 1e30):
        scale = gemm_lt_cuda.tensor_scale(np.array([0.0, -most]), 448.0)
        assert 224.0 < most / scale <= 448.0 and np.frexp(scale)[0] == 0.5
    assert gemm_lt_cuda.tensor_scale(np.zeros(3), 448.0) == 1.0


def forgotten_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = gemm_ways_cuda.product
    monkeypatch.setattr(
        gemm_ways_cuda, "product", lambda p, a, b, device, scales: honest(p, a, b, device, (scales[0], 1))
    )


def rows_for_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = gemm_ways_cuda.product
    wrong: Any = lambda p, a, b, device, scales: honest(p, a, np.ascontiguousarray(b.T), device, scales)  # noqa: E731
    monkeypatch.setattr(gemm_ways_cuda, "product", wrong)


def wrong_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(gemm_lt_cuda.MODES, "e4m3", gemm_lt_cuda.MODES["e5m2"])


def short_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """A product whose result has seven bits."""
    honest = gemm_ways_cuda.product

    def product(*arguments: Any) -> Any:
        made = honest(*arguments)
        cut: Any = lambda: (made.result().view(np.uint32) & np.uint32(0xFFFE0000)).view(np.float32)  # noqa: E731
        return type(made)(made.step, cut, made.counters)

    monkeypatch.setattr(gemm_ways_cuda, "product", product)


@pytest.mark.parametrize("fault", [forgotten_scale, rows_for_columns, wrong_format, short_sums])
def test_a_planted_fault_is_found(fault: Any, gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch)
    trial = trial_of("e4m3", n=64, m=64, k=64, inputs="positive")
    trial.step()
    assert not trial.check().passed


def test_a_missing_nvmath_is_one_sentence(gpu: FakeGpu, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, LIBRARY, None)
    with pytest.raises(DeviceError, match=r"need nvmath-python, .* pip install 'clustermark\[cuda13,fp8\]'") as raised:
        trial_of("e4m3")
    assert "\n" not in str(raised.value)


def test_a_gpu_without_the_units_is_one_sentence() -> None:
    old = Gpu(0, "A100", (8, 0), 1, "0000:17:00.0", "GPU-0")
    assert why_no_precision("e4m3", (old,)).startswith("has no e4m3 on A100: it needs compute capability 8.9")
    with FakeGpu(capability=(8, 0)).installed(), pytest.raises(DeviceError, match="has no algorithm on this GPU"):
        trial_of("e4m3")


def test_sizes_that_cublaslt_does_not_multiply_are_refused() -> None:
    assert "multiples of 16" in BENCHMARKS["gemm"].refuse(case_of("e4m3", k=72))
    assert "use cublas, cublaslt" in BENCHMARKS["gemm"].refuse(case_of("bf16", "numba"))
    assert "use cublaslt" in BENCHMARKS["gemm"].refuse(case_of("e5m2", "cublas"))


def test_the_fake_has_the_functions_and_the_numbers_of_the_real_nvmath() -> None:
    real: Any = pytest.importorskip(LIBRARY, reason="nvmath-python is not installed: pip install '.[cuda-test]'")
    with FakeGpu().installed() as installed:
        fake = installed.modules[LIBRARY]
    functions = [name for name, value in vars(fake).items() if callable(value) and not isinstance(value, type)]
    assert len(functions) == 10
    assert [line for name in functions for line in differences(name, getattr(fake, name), getattr(real, name))] == []
    for enumeration in ("MatmulDescAttribute", "MatmulPreferenceAttribute"):
        for member in getattr(fake, enumeration):
            assert int(getattr(getattr(real, enumeration), member.name)) == member
    kinds = real.get_matmul_desc_attribute_dtype
    for attribute, kind in importlib.import_module("fake_gpu.cublaslt").SIZES.items():
        assert np.dtype(kinds(attribute)).itemsize == np.dtype(kind).itemsize
    assert real.matmul_heuristic_result_dtype.itemsize == fake.matmul_heuristic_result_dtype.itemsize
    assert differences("matmul", lambda handle: None, real.matmul) != []
