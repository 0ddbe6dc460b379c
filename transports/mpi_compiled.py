"""Messages by MPI's C functions from compiled code: what a C program would do, without Python between two calls.

A step is a table of calls, made before the window; one call from Python runs it any number of times. mpi4py takes
0.4 µs and more a call, as much as a short message over shared memory takes altogether.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from mpi4py import MPI
from numba import njit
from numba.core import types

from clustermark.core.context import Exchange
from clustermark.core.errors import LaunchError
from clustermark.devices.simd_types import operation
from clustermark.transports.mpi_symbols import CALLS, Symbols, handle_of

SEND, RECEIVE, START_SEND, START_RECEIVE, WAIT_ALL, SEND_RECEIVE = range(len(CALLS))
# Columns of the table of calls. `LAST` is the address of what the call fills in, a status or a request; for WAIT_ALL of
# the statuses, and `BUFFER` that of the requests. The other columns are what SEND_RECEIVE receives.
KIND, FUNCTION, BUFFER, COUNT, DATATYPE, PEER, LAST, INTO, INTO_COUNT, INTO_DATATYPE, SOURCE = range(11)
TAG = 0


@operation
def call_c(typing_context: Any, address: Any, arguments: Any) -> Any:
    """The int that the C function at an address returns; a tuple's integers and addresses are passed as they are."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        passed = [builder.extract_value(values[1], place) for place in range(len(arguments))]
        kind = ir.FunctionType(ir.IntType(32), [each.type for each in passed])
        return builder.call(builder.inttoptr(values[0], kind.as_pointer()), passed)

    return types.int32(address, arguments), generate


@operation
def as_wide_as(typing_context: Any, value: Any, like: Any) -> Any:
    """An integer cut to the width of another one's type."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return context.cast(builder, values[0], value, like)

    return like(value, like), generate


@njit(nogil=True, cache=True)
def run_calls(steps: Any, calls: Any, communicator: Any) -> Any:
    """A table of MPI calls, `steps` times from top to bottom; it ends at the first that fails (MPI 4.1, chapter 3).

    Parameters
    ----------
    calls : (n, 11) int64, columns as above
    communicator : (1,) int32 or int64, its handle; the type is that of all handles of the library

    Returns
    -------
    (row, error) : of the call that failed; error is 0 where none did
    """
    comm, tag = communicator[0], np.int32(TAG)
    for _ in range(steps):
        for row in range(calls.shape[0]):
            kind, function, buffer, last = calls[row, KIND], calls[row, FUNCTION], calls[row, BUFFER], calls[row, LAST]
            count, peer = np.int32(calls[row, COUNT]), np.int32(calls[row, PEER])
            datatype = as_wide_as(calls[row, DATATYPE], comm)
            if kind == WAIT_ALL:
                error = call_c(function, (count, buffer, last))
            elif kind == SEND:
                error = call_c(function, (buffer, count, datatype, peer, tag, comm))
            elif kind == SEND_RECEIVE:
                into, source = calls[row, INTO], np.int32(calls[row, SOURCE])
                size, what = np.int32(calls[row, INTO_COUNT]), as_wide_as(calls[row, INTO_DATATYPE], comm)
                sent = (buffer, count, datatype, peer, tag)
                error = call_c(function, (*sent, into, size, what, source, tag, comm, last))
            else:
                error = call_c(function, (buffer, count, datatype, peer, tag, comm, last))
            if error != 0:
                return row, error
    return 0, np.int32(0)


def compiled_exchanges(comm: MPI.Intracomm, symbols: Symbols, exchanges: Sequence[Exchange]) -> Callable[[int], None]:
    """A call of n that runs the exchanges, one after the other, n times; it keeps their buffers alive.

    Blocking exchanges are MPI_Send, MPI_Recv or MPI_Sendrecv, others MPI_Irecv of all, MPI_Isend of all, MPI_Waitall.
    The call raises LaunchError where MPI returns an error: mpi4py has told the communicator to return it.
    """
    most = max([1, *(len(each.sends) + len(each.receives) for each in exchanges)])
    requests, statuses = np.zeros(most, symbols.handle), np.zeros(most * symbols.status_bytes, np.uint8)
    table = [row for each in exchanges for row in _calls(each, symbols, requests, statuses)]
    calls = np.array(table, np.int64).reshape(-1, SOURCE + 1)
    communicator = np.array([handle_of(MPI, comm, symbols.handle)], symbols.handle)
    run_calls(0, calls, communicator)  # compiled now, or taken from the cache
    buffers = (*exchanges, requests, statuses)

    def many(steps: int, kept: tuple[object, ...] = buffers) -> None:
        row, error = run_calls(steps, calls, communicator)
        if error:
            raise LaunchError(_sentence(table[row], error))

    return many


def _calls(each: Exchange, symbols: Symbols, requests: Any, statuses: Any) -> Iterator[tuple[int, ...]]:
    """Rows of the table for one exchange."""

    def message(buffer: Any, peer: int) -> tuple[int, ...]:
        if not buffer.flags.c_contiguous:
            raise ValueError("MPI buffers must be C-contiguous")
        datatype = handle_of(MPI, MPI.Datatype.fromcode(buffer.dtype.char), symbols.handle)
        return (buffer.ctypes.data, buffer.size, datatype, peer)

    def row(kind: int, one: tuple[int, ...], last: int, into: tuple[int, ...] = (0, 0, 0, 0)) -> tuple[int, ...]:
        return (kind, symbols.addresses[kind], *one, last, *into)

    status, first = statuses.ctypes.data, requests.ctypes.data
    sends, receives = ([message(*one) for one in side] for side in (each.sends, each.receives))
    if each.blocking:
        if sends and receives:
            yield row(SEND_RECEIVE, sends[0], status, receives[0])
        else:
            yield from (row(SEND, one, 0) for one in sends)
            yield from (row(RECEIVE, one, status) for one in receives)
        return
    started = [(START_RECEIVE, one) for one in receives] + [(START_SEND, one) for one in sends]
    yield from (row(kind, one, first + place * requests.itemsize) for place, (kind, one) in enumerate(started))
    yield row(WAIT_ALL, (first, len(started), 0, 0), status)


def _sentence(row: tuple[int, ...], error: int) -> str:
    partner = "" if row[KIND] == WAIT_ALL else f" with rank {row[PEER]}"
    return f"{CALLS[row[KIND]]}{partner} returned error {error}: {MPI.Get_error_string(error)}"
