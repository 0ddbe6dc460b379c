"""Fixed-point sums over cells on the GPU, as sums.py: whole numbers, added by blocks of threads and then atomically."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from clustermark.apps.climate.launch_cuda import BLOCK, THREADS, blocks_over, load, store
from clustermark.apps.climate.layout import HALO
from clustermark.devices.launch_cuda import flat, launch
from clustermark.devices.numba_cuda import cuda


@cuda.jit(cache=True)
def add_cells(values, weights, rows, columns, pitch, scale, words):
    """Words of the cells of a block of threads, added to those of all; see sums.add_words."""
    scratch = cuda.shared.array((3, THREADS), numba.int64)
    x, y = cuda.grid(2)
    thread = cuda.threadIdx.y * BLOCK[0] + cuda.threadIdx.x
    upper, lower, refused = 0, 0, 0
    if x < columns and y < rows:
        at = (HALO + y) * pitch + HALO + x
        scaled = load(weights, at) * load(values, at) * scale
        if abs(scaled) < 2147483648.0:
            upper = cuda.libdevice.llrint(scaled)
            lower = cuda.libdevice.llrint((scaled - upper) * 4294967296.0)
        else:
            refused = 1
    scratch[0, thread], scratch[1, thread], scratch[2, thread] = upper, lower, refused
    cuda.syncthreads()
    half = THREADS // 2
    while half > 0:
        if thread < half:
            for word in range(3):
                scratch[word, thread] += scratch[word, thread + half]
        cuda.syncthreads()
        half //= 2
    if thread < 3:
        cuda.atomic.add(words, thread, scratch[thread, 0])


@cuda.jit(cache=True)
def scale_cell(values, rows, columns, pitch, factor):
    """One cell; see sums.scale_cells."""
    x, y = cuda.grid(2)
    if x < columns and y < rows:
        at = (HALO + y) * pitch + HALO + x
        store(values, at, load(values, at) * factor)


def scale_cells(values: Any, rows: int, columns: int, factor: float) -> None:
    """Multiply the evolved cells of one block by a factor in their dtype; as sums.scale_cells."""
    if rows > 0 and columns > 0:
        real = np.dtype(values.dtype).type
        launch(scale_cell, blocks_over(rows, columns), (*BLOCK, 1))(
            flat(values), rows, columns, int(values.shape[1]), real(factor)
        )


def add_words(values: Any, weights: Any, rows: int, columns: int, scale: float, words: Any) -> None:
    """Σ weight·value of the evolved cells of one block in two words; as sums.add_words.

    Parameters
    ----------
    words : (3,) int64 on the device, added to: the same bits whichever block of threads comes first
    the others : as on the CPU, arrays on the device
    """
    if rows > 0 and columns > 0:
        launch(add_cells, blocks_over(rows, columns), (*BLOCK, 1))(
            flat(values), flat(weights), rows, columns, int(values.shape[1]), float(scale), words
        )
