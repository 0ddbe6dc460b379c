"""Packing of the halo on the GPU: the entries of halo.py, same names and arguments.

Arrays are on the device, but the three numbers of a shift, which may be on the host. No offset stands twice in a
message, so that every thread has its own places.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from clustermark.apps.md.launch_cuda import THREADS, blocks_of
from clustermark.devices.launch_cuda import launch
from clustermark.devices.numba_cuda import cuda


@cuda.jit(cache=True)
def pack_rows(values, offsets, lanes, x, y, z, buffer):
    """One row of the message; see halo.pack."""
    k = cuda.grid(1)
    if k < offsets.size:
        buffer[3 * k] = values[offsets[k]] + x
        buffer[3 * k + 1] = values[offsets[k] + lanes] + y
        buffer[3 * k + 2] = values[offsets[k] + 2 * lanes] + z


@cuda.jit(cache=True)
def unpack_rows(buffer, offsets, lanes, values):
    """One row of the message; see halo.unpack."""
    k = cuda.grid(1)
    if k < offsets.size:
        for d in range(3):
            values[offsets[k] + d * lanes] = buffer[3 * k + d]


@cuda.jit(cache=True)
def add_rows(buffer, offsets, lanes, values):
    """One row of the message; see halo.unpack_add."""
    k = cuda.grid(1)
    if k < offsets.size:
        for d in range(3):
            values[offsets[k] + d * lanes] += buffer[3 * k + d]


def pack(values: Any, offsets: Any, lanes: int, shift: Any, buffer: Any) -> None:
    """buffer[3k + d] = component d of the slot at offsets[k], plus shift[d]; as halo.pack."""
    if offsets.size:
        x, y, z = map(np.dtype(values.dtype).type, shift)
        launch(pack_rows, blocks_of(offsets.size), THREADS)(values, offsets, lanes, x, y, z, buffer)


def unpack(buffer: Any, offsets: Any, lanes: int, values: Any) -> None:
    """Component d of the slot at offsets[k] = buffer[3k + d]; as halo.unpack."""
    if offsets.size:
        launch(unpack_rows, blocks_of(offsets.size), THREADS)(buffer, offsets, lanes, values)


def unpack_add(buffer: Any, offsets: Any, lanes: int, values: Any) -> None:
    """Component d of the slot at offsets[k] += buffer[3k + d]; as halo.unpack_add."""
    if offsets.size:
        launch(add_rows, blocks_of(offsets.size), THREADS)(buffer, offsets, lanes, values)
