"""A step as a table of calls of MPI's C functions, which compiled code runs from top to bottom (mpi_compiled.py)."""

from __future__ import annotations

import ctypes
import time
from array import array
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np
from mpi4py import MPI

from clustermark.core.context import Collective, Copy, Exchange, StepPart
from clustermark.core.errors import LaunchError
from clustermark.transports import mpi_compiled as kind
from clustermark.transports.mpi_symbols import CALLS, Symbols, handle_of
from clustermark.transports.parts import part_counts, part_starts

Row = tuple[int, ...]
NOBODY: Row = (0, 0, 0, 0)
# Calls that name the rank they talk to.
_WITH_PARTNER = (kind.SEND, kind.RECEIVE, kind.START_SEND, kind.START_RECEIVE, kind.SEND_RECEIVE)


class MpiStep:
    """A step that compiled code runs (core.context.CompiledStep); it keeps its buffers alive.

    Blocking exchanges are MPI_Send, MPI_Recv or MPI_Sendrecv, others MPI_Irecv of all, MPI_Isend of all, MPI_Waitall;
    collectives are those that transports/mpi.py calls. Both calls raise LaunchError where MPI returns an error: mpi4py
    has told the communicator to return it.
    """

    def __init__(
        self, comm: MPI.Intracomm, symbols: Symbols, parts: Sequence[StepPart], before: Sequence[StepPart] = ()
    ) -> None:
        """Raises ValueError for a buffer that is not C-contiguous."""
        self.step, self.before = Table(comm, symbols, parts), Table(comm, symbols, before)
        self.before.end_with_barrier()
        self.calls, self.calls_before = self.step.calls(), self.before.calls()
        tables = (number for each in (self.calls, self.calls_before) for number in (each.ctypes.data, len(each)))
        self.table = np.array([*tables, time.CLOCK_MONOTONIC, clock_address(), 0, 0, 0, 0, 0], np.int64)
        self.comm = getattr(np, symbols.handle)(handle_of(MPI, comm, symbols.handle))
        self.address = self.table.ctypes.data
        self(0)  # compiled now, or taken from the cache

    def __call__(self, steps: int) -> None:
        """The step, so many times."""
        failed = kind.run(steps, self.address, self.comm, 0, 0)
        if failed:
            raise LaunchError(self._sentence(failed))

    def windows(self, steps: int, count: int) -> array[float]:
        """[s] of each of `count` windows of so many steps, behind a barrier; collective."""
        seconds = array("d", bytes(8 * count))
        failed = kind.run(steps, self.address, self.comm, seconds.buffer_info()[0], count) if count else 0
        if failed:
            raise LaunchError(self._sentence(failed))
        return seconds

    def windows_at(self, steps: int, count: int, first: float, distance: float) -> tuple[array[float], int]:
        """`windows` begun at `first` and every `distance` later [s, monotonic clock], and how many of them late."""
        self.table[8:11] = round(first * 1e9), max(1, round(distance * 1e9)), 0
        try:
            return self.windows(steps, count), int(self.table[10])
        finally:
            self.table[9] = 0

    def begin_windows_with_a_step(self) -> None:
        """From now on one step, not timed, stands between barrier and window, as in HPCC's b_eff."""
        self.before.rows += self.step.rows
        self.calls_before = self.before.calls()
        self.table[2:4] = self.calls_before.ctypes.data, len(self.calls_before)

    def _sentence(self, failed: int) -> str:
        number, error = divmod(failed, kind.ERRORS)
        row = (self.step.rows + self.before.rows)[number]
        partner = f" with rank {row[kind.PEER]}" if row[kind.KIND] in _WITH_PARTNER else ""
        return f"{CALLS[row[kind.KIND]]}{partner} returned error {error}: {MPI.Get_error_string(error)}"


@cache
def clock_address() -> int:
    """Of C's clock_gettime, which time.perf_counter reads on Linux."""
    return ctypes.cast(ctypes.CDLL(None).clock_gettime, ctypes.c_void_p).value or 0


class Table:
    """Rows for the parts of a step, in the columns of mpi_compiled.py.

    Attributes
    ----------
    rows : one a call
    kept : what they hold addresses of
    """

    def __init__(self, comm: MPI.Intracomm, symbols: Symbols, parts: Sequence[StepPart]) -> None:
        """Raises ValueError for a buffer that is not C-contiguous."""
        self.comm, self.symbols = comm, symbols
        exchanges = [part for part in parts if isinstance(part, Exchange)]
        most = max([1, *(len(each.sends) + len(each.receives) for each in exchanges)])
        self.requests = np.zeros(most, symbols.handle)
        self.statuses = np.zeros(most * symbols.status_bytes, np.uint8)
        self.kept: list[Any] = [parts, self.requests, self.statuses]
        self.rows = [row for part in parts for row in self._rows(part)]

    def calls(self) -> Any:
        """(n, 11) int64."""
        return np.array(self.rows, np.int64).reshape(-1, kind.COLUMNS)

    def end_with_barrier(self) -> None:
        """One more row."""
        self.rows.append(self._row(kind.BARRIER, NOBODY, 0))

    def _rows(self, part: StepPart) -> Iterator[Row]:
        if isinstance(part, Exchange):
            return self._exchange(part)
        return iter([self._copy(part) if isinstance(part, Copy) else self._collective(part)])

    def _row(self, number: int, one: Row, last: int, into: Row = NOBODY) -> Row:
        function = self.symbols.addresses[number] if number < len(CALLS) else 0
        return (number, function, *one, last, *into)

    def _buffer(self, array: Any) -> tuple[int, int, int]:
        """Address, elements, datatype."""
        if not array.flags.c_contiguous:
            raise ValueError("MPI buffers must be C-contiguous")
        datatype = handle_of(MPI, MPI.Datatype.fromcode(array.dtype.char), self.symbols.handle)
        return array.ctypes.data, array.size, datatype

    def _exchange(self, each: Exchange) -> Iterator[Row]:
        status, first = self.statuses.ctypes.data, self.requests.ctypes.data
        sends, receives = ([(*self._buffer(one), peer) for one, peer in side] for side in (each.sends, each.receives))
        if each.blocking:
            if sends and receives:
                yield self._row(kind.SEND_RECEIVE, sends[0], status, receives[0])
            else:
                yield from (self._row(kind.SEND, one, 0) for one in sends)
                yield from (self._row(kind.RECEIVE, one, status) for one in receives)
            return
        started = [(kind.START_RECEIVE, one) for one in receives] + [(kind.START_SEND, one) for one in sends]
        for place, (number, one) in enumerate(started):
            yield self._row(number, one, first + place * self.requests.itemsize)
        yield self._row(kind.WAIT_ALL, (first, len(started), 0, 0), status)

    def _collective(self, each: Collective) -> Row:
        """As transports/mpi.py: calls for equal parts where the vector divides by the ranks, else those with counts."""
        into, count, datatype = self._buffer(each.receive)
        if each.kind == "broadcast":
            return self._row(kind.BROADCAST, (into, count, datatype, each.root), 0)
        brought = (self.symbols.in_place, 0, datatype) if each.send is None else self._buffer(each.send)
        if each.kind == "allreduce":
            return self._row(kind.ALL_REDUCE, (brought[0], count, datatype, self._sum()), 0, (into, 0, 0, 0))
        counts = part_counts(count if each.send is None or each.kind == "allgather" else each.send.size, self.comm.size)
        if counts[0] == counts[-1]:
            return self._equal_parts(each.kind, brought[0], into, counts[0], datatype)
        return self._parts(each.kind, brought, into, counts)

    def _equal_parts(self, name: str, brought: int, into: int, count: int, datatype: int) -> Row:
        """In place, MPI ignores what it is told of the buffer that is sent."""
        if name == "reduce_scatter":
            return self._row(kind.REDUCE_SCATTER_BLOCK, (brought, count, datatype, self._sum()), 0, (into, 0, 0, 0))
        number = kind.ALL_GATHER if name == "allgather" else kind.ALL_TO_ALL
        return self._row(number, (brought, count, datatype, 0), 0, (into, count, datatype, 0))

    def _parts(self, name: str, brought: tuple[int, int, int], into: int, counts: list[int]) -> Row:
        size, own = self.comm.size, counts[self.comm.rank]
        address, count, datatype = brought
        starts = self._address(part_starts(sum(counts), size))
        if name == "reduce_scatter":
            one = (address, self._address(counts), datatype, self._sum())
            return self._row(kind.REDUCE_SCATTER, one, 0, (into, 0, 0, 0))
        if name == "allgather":
            where = (into, self._address(counts), datatype, starts)
            return self._row(kind.ALL_GATHER_PARTS, (address, count, datatype, 0), 0, where)
        where = (into, self._address([own] * size), datatype, self._address([own * rank for rank in range(size)]))
        return self._row(kind.ALL_TO_ALL_PARTS, (address, self._address(counts), datatype, 0), starts, where)

    def _sum(self) -> int:
        return handle_of(MPI, MPI.SUM, self.symbols.handle)

    def _copy(self, each: Copy) -> Row:
        """Fewer axes than three are its last ones; those of one element are left out: the last is a long one."""
        source, target = each.source, each.target
        if source.shape != target.shape or source.dtype != target.dtype or source.ndim > 3:
            raise ValueError("a copy needs two arrays of one shape and format, of three axes at most")
        axes = [axis for axis, extent in enumerate(source.shape) if extent != 1]
        lead = 3 - len(axes)
        extents = [1] * lead + [source.shape[axis] for axis in axes]
        strides = [[0] * lead + [a.strides[axis] for axis in axes] for a in (source, target)]
        about = np.array([*extents, *strides[0], *strides[1], source.itemsize], np.int64)
        self.kept.append(about)
        return self._row(kind.COPY, (source.ctypes.data, 0, 0, 0), about.ctypes.data, (target.ctypes.data, 0, 0, 0))

    def _address(self, numbers: Sequence[int]) -> int:
        """Of C ints that are kept."""
        kept = np.array(numbers, np.intc)
        self.kept.append(kept)
        return kept.ctypes.data
