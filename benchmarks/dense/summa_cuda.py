"""SUMMA with matrices on the GPU (summa.py): panels of other ranks come through pinned memory of the host.

Panel k + 1 is copied to the host, broadcast (MPI_Ibcast) and copied to its receivers on a stream of its own, beside
the product with panel k.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

from clustermark.benchmarks.dense.lines import Grid, Line
from clustermark.benchmarks.dense.summa import slabs
from clustermark.devices.blas_cuda import DeviceBlas
from clustermark.transports.parts import part_starts

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Side:
    """One of the two matrices whose panels travel.

    Attributes
    ----------
    line, root_of : the ranks that share its panels; the place in a Slab of who has one
    own, first : this rank's block, (inner, length) on the GPU; the inner index at which it begins
    here, wire : two panels of (width, length) each, on the GPU and in pinned memory; none on a line of one
    """

    line: Line
    root_of: str
    own: Any
    first: int
    here: list[Any]
    wire: list[Array]


class DeviceSumma:
    """C = AB of order n on a GPU per rank.

    Attributes
    ----------
    c : (rows, columns) on the GPU, of the last `step`
    """

    def __init__(self, n: int, width: int, grid: Grid, a_transposed: Array, b: Array, device: Any) -> None:
        """Copy this rank's blocks, Aᵀ (inner, rows) and B (inner, columns), to the GPU; allocate two panels of each."""
        self.slabs, self.device = slabs(n, width, grid), device
        dtype = b.dtype.name
        self._blas = DeviceBlas(dtype)
        self.c = device.empty((a_transposed.shape[1], b.shape[1]), dtype)
        self._copies = device.stream()
        # Of each turn: what the copies wait for, and what the product does.
        self._free, self._there = ([device.event() for _ in range(2)] for _ in range(2))

        def side(line: Line, root_of: str, block: Array, first: int) -> Side:
            shape = width, block.shape[1]
            turns = range(2 if line.size > 1 else 0)
            here, wire = [device.empty(shape, dtype) for _ in turns], [device.pinned(shape, dtype) for _ in turns]
            return Side(line, root_of, device.from_host(block), first, here, wire)

        self._sides = (
            side(grid.along_row, "column", a_transposed, part_starts(n, grid.columns)[grid.column]),
            side(grid.along_column, "row", b, part_starts(n, grid.rows)[grid.row]),
        )

    def step(self) -> None:
        """One product; collective. The last of it may still be under way on the GPU."""
        self.c.fill(0)
        for event in self._free:
            event.record()
        self._bring(0)
        for number in range(len(self.slabs)):
            a, b = (self._panel(side, number) for side in self._sides)
            self._there[number % 2].record(self._copies)
            self.device.default_stream_waits(self._there[number % 2])
            self._blas.add_product(self.c, a.T, b)
            self._free[number % 2].record()
            if number + 1 < len(self.slabs):
                self._bring(number + 1)

    def _bring(self, number: int) -> None:
        """The panels of a slab into this rank's buffers, on the stream of copies, which the host waits for between."""
        slab, turn, copy = self.slabs[number], number % 2, self.device.copy_async
        count = slab.end - slab.begin
        travelling = [side for side in self._sides if side.line.size > 1]
        roots = [side.line.rank == getattr(slab, side.root_of) for side in travelling]
        self._copies.wait_event(self._free[turn])
        for side, root in zip(travelling, roots, strict=True):
            if root and side.own.size:
                copy(side.wire[turn][:count], self._panel(side, number), self._copies)
        self._copies.synchronize()
        requests = [
            side.line.start_broadcast(side.wire[turn][:count], getattr(slab, side.root_of)) for side in travelling
        ]
        for side, root, request in zip(travelling, roots, requests, strict=True):
            request.wait()
            if not root and side.here[turn].size:
                copy(side.here[turn][:count], side.wire[turn][:count], self._copies)

    def _panel(self, side: Side, number: int) -> Any:
        """Where the panel of a slab is on this GPU: the owner's own memory, a buffer elsewhere."""
        slab = self.slabs[number]
        if side.line.rank == getattr(slab, side.root_of):
            return side.own[slab.begin - side.first : slab.end - side.first]
        return side.here[number % 2][: slab.end - slab.begin]
