"""Faces of a cube in NumPy: which box of cells each slot of a message is made of, and where it goes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from clustermark.core.context import Device

Floats = npt.NDArray[np.floating]
Box = tuple[slice, slice, slice]


def boxes(n: int, width: int, ghosts: bool) -> list[Box]:
    """Slot 2 axis + side (0 low, 1 high) of a message → the ghost cells that it fills, or the cells it is made of.

    What fills the low ghosts of one cube are the high inner cells of its neighbour.
    """
    found = []
    for axis in range(3):
        for side in range(2):
            box = [slice(width, width + n)] * 3
            first = (n + width if side else 0) if ghosts else (width if side else n)
            box[axis] = slice(first, first + width)
            found.append((box[0], box[1], box[2]))
    return found


def halo_step(host: Floats, n: int, width: int, device: Device) -> tuple[Callable[[], object], Callable[[], Floats]]:
    """Pack and unpack on a copy of a field (n + 2 width)³: a call, and the field on the host."""
    field = device.from_host(host)
    message = device.empty((6, width * n * n), str(host.dtype))
    inner, ghosts = ([field[box] for box in boxes(n, width, which)] for which in (False, True))
    slots = [slot.reshape(cells.shape) for slot, cells in zip(message, inner, strict=True)]

    def step() -> None:
        for slot, cells in zip(slots, inner, strict=True):
            slot[...] = cells
        for slot, cells in zip(slots, ghosts, strict=True):
            cells[...] = slot

    return step, lambda: field
