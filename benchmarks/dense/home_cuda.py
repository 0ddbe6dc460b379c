"""Matrices on the GPU: products and triangular solves by cuBLAS, panels factored by the host.

Only a panel leaves the GPU, as in rocHPL and NVIDIA's first HPL (Fatica 2009): panel k + 1 is brought and factored
while the GPU is busy with what panel k owes the rest of the matrix. Messages between ranks are the host's.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.dense.factorisation import Factorisation, Parts
from clustermark.benchmarks.dense.lines import Transfer
from clustermark.benchmarks.dense.matrix import DenseMatrix
from clustermark.benchmarks.dense.panel import Panel, message_size, panel_in
from clustermark.benchmarks.dense.row_moves import RowMoves, plan_moves
from clustermark.devices.blas import Blas
from clustermark.devices.blas_cuda import DeviceBlas

Array = npt.NDArray[Any]

# Numbers of a matrix that the host makes at a time.
CHUNK = 2**22
# [B]: rows begin at multiples of it.
LINE = 512
# Of the GPU's free memory, what a second copy of a matrix may take: products and other processes need some.
ROOM = 0.5


class DeviceHome:
    """Memory and units of a devices.cuda.CudaDevice; arrays are CuPy's."""

    def __init__(self, device: Any) -> None:
        """Nothing is allocated yet."""
        self.device = device
        self._cupy: Any = importlib.import_module("cupy")
        self._blas: dict[str, DeviceBlas] = {}
        self._kept: tuple[DenseMatrix, Any] | None = None

    def blas(self, dtype: Any) -> DeviceBlas:
        """That of one type."""
        name = np.dtype(dtype).name
        if name not in self._blas:
            self._blas[name] = DeviceBlas(name)
        return self._blas[name]

    def factorisation(self, parts: Parts, dtype: str, blas: Blas, pivoting: bool) -> Factorisation:
        """Of an array on the GPU."""
        return DeviceFactorisation(parts, self._matrix(parts, dtype), blas, self, pivoting)

    def _matrix(self, parts: Parts, dtype: str) -> Any:
        rows, columns = parts.rows.mine.size, parts.columns.mine.size
        step = LINE // np.dtype(dtype).itemsize
        return self.device.empty((rows, -(-columns // step) * step), dtype)[:, :columns]

    def fill(self, matrix: DenseMatrix, parts: Parts, target: Any) -> None:
        """Made by the host once, some rows at a time; copied on the GPU from then on if it has room for a copy."""
        if self._kept is not None and self._kept[0] is matrix and self._kept[1].dtype == target.dtype:
            self.round_into(self._kept[1], target)
            return
        self._make(matrix, parts, target)
        if target.nbytes <= ROOM * self.device.free():
            self._kept = matrix, target.copy()

    def _make(self, matrix: DenseMatrix, parts: Parts, target: Any) -> None:
        rows, columns = parts.rows.mine, parts.columns.mine
        height = max(1, CHUNK // max(1, columns.size))
        for first in range(0, rows.size, height):
            some = rows[first : first + height]
            target[first : first + some.size] = self.device.from_host(matrix.part(some, columns, target.dtype.name))

    def made(self, matrix: DenseMatrix, parts: Parts, dtype: str) -> Any:
        """Made by the host, some rows at a time."""
        target = self._matrix(parts, dtype)
        self._make(matrix, parts, target)
        return target

    def round_into(self, source: Any, target: Any) -> None:
        """By a kernel of CuPy."""
        self._cupy.copyto(target, source, casting="same_kind")

    def zeros(self, size: int, dtype: Any) -> Any:
        """Zeros on the GPU."""
        return self.device.empty((size,), np.dtype(dtype).name)

    def to_host(self, part: Any) -> Array:
        """A copy, of what all work given before leaves in it."""
        return self.device.to_host(part)

    def add_product(self, sums: Any, matrix: Any, x: Array) -> None:
        """By cuBLAS: a product with a matrix of one column."""
        if not (sums.size and x.size):
            return
        here = self.device.from_host(x.astype(sums.dtype, copy=False))
        self.blas(sums.dtype).add_product(sums.reshape(-1, 1), matrix, here.reshape(-1, 1))

    def packed(self, part: Any) -> Any:
        """A copy whose rows stand one behind the other."""
        return self._cupy.ascontiguousarray(part)


class DeviceFactorisation(Factorisation):
    """As Factorisation, its matrix on the GPU and its panels in pinned memory of the host."""

    def __init__(self, parts: Parts, matrix: Any, blas: Blas, home: DeviceHome, pivoting: bool) -> None:
        """Room for two panels on the host and one on the GPU."""
        device, dtype = home.device, matrix.dtype.name
        self.parts, self.matrix, self.blas, self.pivoting = parts, matrix, blas, pivoting
        self.home, self.device_blas = home, home.blas(dtype)
        self.pivots = np.zeros(parts.n, np.int64)
        self.zero_column = -1
        width, (rows, columns) = parts.rows.block, matrix.shape
        size = message_size(width, rows)
        self._buffers = [device.pinned((size,), dtype) for _ in range(2)]
        self._panel_here = device.empty((size,), dtype)
        self._received = np.zeros(2 * width * columns if parts.grid.rows > 1 else 0, dtype)
        self._copies, self._ready = device.stream(), device.event()
        self._coming: Any = None

    def run(self) -> None:
        """Factor the matrix in place; collective over the grid.

        What panel k owes is given to the GPU before panel k + 1 is factored: the host works beside it.
        """
        self.zero_column = -1
        parts, width, end = self.parts, self.parts.rows.block, self.matrix.shape[1]
        self._start_bringing(0, 0)
        panel, transfer = self._next_panel(0, 0)
        for step, start in enumerate(range(0, parts.n, width)):
            transfer.wait()
            self._take(panel)
            after, turn = start + panel.width, (step + 1) % 2
            update, done = self._updater(panel), parts.columns.below(start + panel.width)
            if after < parts.n and parts.columns.owner(after) == parts.grid.column:
                ahead = parts.columns.below(min(after + width, parts.n))
                update(done, ahead, Transfer())
                self._start_bringing(after, turn)
                done = ahead
            update(done, end, Transfer())
            if after < parts.n:
                panel, transfer = self._next_panel(after, turn)

    def _start_bringing(self, start: int, buffer: int) -> None:
        """The panel from column `start` on, if it is here, on its way to the host beside what the GPU is given next."""
        parts = self.parts
        if parts.columns.owner(start) != parts.grid.column:
            return
        width, first, left = min(parts.rows.block, parts.n - start), parts.rows.below(start), parts.columns.below(start)
        panel = panel_in(self._buffers[buffer], start, width, parts.rows.mine[first:], False, not self.pivoting)
        given = self.matrix[first:, left : left + width]
        target = panel.columns
        if self.pivoting:
            given = given.T
        else:
            target = target.T
        if not target.size:
            return
        self._coming = self.home.packed(given)
        self._ready.record()
        self._copies.wait_event(self._ready)
        self.home.device.copy_async(target, self._coming, self._copies)

    def _bring(self, panel: Panel, first: int, left: int) -> None:
        """Wait for the copy that has been started."""
        self._copies.synchronize()
        self._coming = None

    def _keep(self, panel: Panel, first: int, left: int) -> None:
        """Kept when the panel is on the GPU, by `_updater`."""

    def _uploaded(self, panel: Panel) -> Panel:
        """The panel on the GPU; the host's may be overwritten when this returns."""
        here = self._panel_here[: panel.message.size]
        here.set(panel.message)
        self.home.device.synchronize()
        return panel_in(here, panel.start, panel.width, panel.rows, panel.holds_diagonal, not self.pivoting)

    def _updater(self, panel: Panel) -> Callable[[int, int, Transfer], None]:
        """As Factorisation._updater; the columns of a call are updated by one product."""
        parts, width, grid, matrix = self.parts, panel.width, self.parts.grid, self.matrix
        here, top, blas = self._uploaded(panel), parts.rows.below(panel.start), self.device_blas
        if parts.columns.owner(panel.start) == grid.column:
            super()._keep(here, top, parts.columns.below(panel.start))
        moves = plan_moves(panel.start, self.pivots[panel.start : panel.start + width].tolist(), parts.rows)
        below = top + panel.first(width)
        in_place = not self.pivoting and grid.rows == 1

        def update(first: int, end: int, transfer: Transfer) -> None:
            if first == end:
                return
            rows = matrix[top : top + width, first:end] if in_place else self._moved(moves, first, end)
            blas.solve_unit_lower(here.top, rows)
            if panel.holds_diagonal and not in_place:
                matrix[top : top + width, first:end] = rows
            blas.add_product(matrix[below:, first:end], here.below, rows, -1.0)
            transfer.look()

        return update

    def _moved(self, moves: RowMoves, first: int, end: int) -> Any:
        """The rows that become U, as RowMoves.apply; between process rows they go through the host."""
        device, region = self.home.device, self.matrix[:, first:end]
        mine = region[device.from_host(moves.packed)]
        everyone = mine
        if len(moves.counts) > 1:
            everyone = device.from_host(
                self.parts.grid.along_column.allgather_rows(device.to_host(mine), moves.counts, self._received)
            )
        if moves.kept.size:
            region[device.from_host(moves.kept)] = everyone[device.from_host(moves.kept_from)]
        if len(moves.counts) == 1:
            return everyone[: moves.order.size]
        return everyone[device.from_host(moves.order)]
