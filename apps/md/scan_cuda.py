"""Running totals on the GPU: by chunks, then over the totals of the chunks alike (Blelloch 1990); without a barrier."""

from __future__ import annotations

from typing import Any

import numpy as np

from clustermark.apps.md.launch_cuda import THREADS, blocks_of
from clustermark.devices.launch_cuda import launch
from clustermark.devices.numba_cuda import cuda

# Values that one thread adds up.
CHUNK = 64


@cuda.jit(cache=True)
def sum_chunks(values, sums):
    """sums[k] = sum of chunk k."""
    k = cuda.grid(1)
    if k < sums.size:
        total = 0
        for place in range(k * CHUNK, min(k * CHUNK + CHUNK, values.size)):
            total += values[place]
        sums[k] = total


@cuda.jit(cache=True)
def add_up_chunks(values, before, totals):
    """totals[place + 1] = before[k] + sum of chunk k up to place."""
    k = cuda.grid(1)
    if k * CHUNK < values.size:
        total = before[k]
        for place in range(k * CHUNK, min(k * CHUNK + CHUNK, values.size)):
            total += values[place]
            totals[place + 1] = total
        if k == 0:
            totals[0] = 0


def running_totals(values: Any) -> Any:
    """(n + 1,) int32 device array: sum of the first k values at k, for (n,) int32 values, n > 0."""
    n = int(values.size)
    chunks = -(-n // CHUNK)
    totals = cuda.device_array(n + 1, np.int32)
    if chunks == 1:
        before = cuda.to_device(np.zeros(1, np.int32))
    else:
        sums = cuda.device_array(chunks, np.int32)
        launch(sum_chunks, blocks_of(chunks), THREADS)(values, sums)
        before = running_totals(sums)
    launch(add_up_chunks, blocks_of(chunks), THREADS)(values, before, totals)
    return totals
