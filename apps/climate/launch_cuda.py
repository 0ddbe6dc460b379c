"""What the climate's CUDA kernels share: blocks of threads over cells, and elements of flat arrays.

A kernel takes flat arrays and numbers; a thread has one cell of the region, or the whole column of cells over it. The
fastest index of threads is i, so that a warp reads and writes 32 neighbours of a row. Metric terms of rows are made
in float64 by small kernels of their own and cast before anything of the size of a field is touched.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from clustermark.devices.numba_cuda import cuda

# Threads of a block along a row and across rows: neighbours to the north and south are mostly of the same block.
BLOCK = (32, 4)
# Threads of a block that counts along one direction.
THREADS = 128


def blocks_over(rows: int, columns: int, levels: int = 1) -> tuple[int, int, int]:
    """Blocks of `BLOCK` that cover a rectangle of cells, once for each of some levels."""
    return -(-int(columns) // BLOCK[0]), -(-int(rows) // BLOCK[1]), int(levels)


def blocks_of(threads: int) -> int:
    """Blocks of `THREADS` that so many threads need."""
    return -(-int(threads) // THREADS)


@cuda.jit(device=True)
def load(array, index):
    """array[index] without Python's wraparound of negative indices."""
    return array[np.uint64(index)]


@cuda.jit(device=True)
def store(array, index, value):
    """array[index] = value without Python's wraparound of negative indices."""
    array[np.uint64(index)] = value


def workspace(size: int, dtype: Any) -> Any:
    """A flat array on the device that kernels write before they read it."""
    return cuda.device_array(size, np.dtype(dtype))
