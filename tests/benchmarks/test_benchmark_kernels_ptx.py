"""The CUDA kernels of the benchmarks without a GPU: machine code, results, traffic, planted faults."""

from __future__ import annotations

from benchmark_ladders import HALO_KERNELS, PEAK_KERNELS, REDUCTION_KERNELS, STREAM_KERNELS
from cuda_helpers.ladder import LadderChecks  # first: it skips the file where there is no compiler


class TestBenchmarkKernels(LadderChecks):
    KERNELS = (*STREAM_KERNELS, *REDUCTION_KERNELS, *PEAK_KERNELS, *HALO_KERNELS)
