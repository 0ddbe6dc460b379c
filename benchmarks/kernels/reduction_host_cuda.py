"""Host of the sum on the GPU: two launches, of which the second adds up what the blocks of the first have left."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from clustermark.benchmarks.kernels.stream_host_cpu import Floats, Step
from clustermark.benchmarks.kernels.stream_host_cuda import THREADS, THREADS_OF_SUMS, sum_blocks, sum_terms
from clustermark.devices.cuda_c import compiled

SOURCE = Path(__file__).with_name("reduction.cu")
# NumPy type → REAL and SUM of the kernel; fp16 travels as bits.
TYPES = {"float64": ("double", "double"), "float32": ("float", "float"), "float16": ("unsigned short", "float")}


def reduction_step(host: Floats, device: Any) -> Step:
    """The sum of an array; float16 is summed in float32."""
    real, sums = TYPES[host.dtype.name]
    values = device.from_host(host)
    blocks = sum_blocks(host.size, device)
    kind = "float64" if sums == "double" else "float32"
    partials, out = (device.from_host(np.full(size, np.nan, kind)) for size in (blocks, 1))
    first, last = (compiled(SOURCE, name, REAL=real, SUM=sums) for name in ("reduction", "reduction_end"))
    launches = (
        partial(first, (blocks,), (THREADS,), (np.int64(host.size), values, partials)),
        partial(last, (1,), (THREADS_OF_SUMS,), (np.int32(blocks), partials, out)),
    )

    def step() -> None:
        launches[0]()
        launches[1]()

    return Step(step, lambda: device.to_host(out), sum_terms(host.size, blocks))
