"""The CUDA kernels of the benchmarks on a real GPU, with the launches and references of the ladder."""

from __future__ import annotations

import pytest
from benchmark_ladders import HALO_KERNELS, PEAK_KERNELS, REDUCTION_KERNELS, STREAM_KERNELS
from cuda_helpers.ladder import Kernel
from cuda_helpers.real_gpu import launched

pytestmark = pytest.mark.gpu
ROWS = [
    (kernel, kind)
    for kernel in (*STREAM_KERNELS, *REDUCTION_KERNELS, *PEAK_KERNELS, *HALO_KERNELS)
    for kind in kernel.kinds
]


@pytest.mark.parametrize(("kernel", "kind"), ROWS, ids=[f"{kernel.where}-{kind}" for kernel, kind in ROWS])
def test_a_gpu_gives_the_reference(kernel: Kernel, kind: str) -> None:
    example, _ = kernel.example(kind)
    errors = [example.error(case, launched(kernel, kind, case)) for case in example.cases]
    assert max(errors) <= kernel.bounds[kind], errors
