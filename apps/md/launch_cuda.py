"""What the CUDA kernels share: the size of a block, lanes that the compiler knows, sums and maxima over a block.

Kernels take flat arrays, scalars and a *lane tuple* of J zeros: its length is part of its type, so that J is a constant
to the compiler, as `Width` makes it for the CPU. Host entries take device arrays and a `Width` or a number instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.devices.numba_cuda import cuda

# Threads of a block: a power of two (the sums over a block halve it), a multiple of every J.
THREADS = 128
# A number read from memory, `& POSITIVE`, is known not to be negative: no index made of it has to be wrapped round.
POSITIVE = 0x7FFFFFFF


def lane_tuple(width: Any) -> tuple[int, ...]:
    """J zeros, of a Width or of J itself."""
    return (0,) * int(getattr(width, "count", width))


def blocks_of(threads: int) -> int:
    """Blocks that so many threads need."""
    return -(-int(threads) // THREADS)


def host_sum(partials: Any) -> npt.NDArray[np.float64]:
    """Sums of the rows of a (k, blocks) device array, in float64 and always in the same order."""
    return np.asarray(np.sum(partials.copy_to_host(), axis=1, dtype=np.float64))


class SumWhenAsked:
    """Σ of the (1, blocks) partial sums of a launch: a number once it is asked for one, which waits for the kernel."""

    def __init__(self, partials: Any) -> None:
        """Kept on the device until then."""
        self._partials = partials

    def __float__(self) -> float:
        return float(host_sum(self._partials)[0])


def element(array: Any, index: int) -> int:
    """One number of a device array on the host; waits for the kernels that write it."""
    return int(array[index])


@cuda.jit(device=True)
def sum_block(scratch, partials):
    """partials[row, block] = sum of scratch[row] over the threads of the block, always in the same order.

    Parameters
    ----------
    scratch : (rows, THREADS) shared memory, one value per thread in a row; every thread of the block comes here
    partials : (rows, blocks), out
    """
    thread = cuda.threadIdx.x
    cuda.syncthreads()
    half = THREADS // 2
    while half > 0:
        if thread < half:
            for row in range(scratch.shape[0]):
                scratch[row, thread] += scratch[row, thread + half]
        cuda.syncthreads()
        half //= 2
    if thread < scratch.shape[0]:
        partials[thread, cuda.blockIdx.x] = scratch[thread, 0]


@cuda.jit(device=True)
def maximum_of_block(scratch, partials):
    """partials[block] = largest of scratch over the threads of the block; arrays as in `sum_block`, of one row."""
    thread = cuda.threadIdx.x
    cuda.syncthreads()
    half = THREADS // 2
    while half > 0:
        if thread < half and scratch[thread + half] > scratch[thread]:
            scratch[thread] = scratch[thread + half]
        cuda.syncthreads()
        half //= 2
    if thread == 0:
        partials[cuda.blockIdx.x] = scratch[0]
