"""A step's calls of MPI's C functions from compiled code: what a C program would do, without Python in between.

A step is a table of calls, made before the window (mpi_calls.py); one call from Python runs it any number of times.
mpi4py takes 0.4 µs and more a call, as much as a short message over shared memory takes altogether.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit
from numba.core import cgutils, types

from clustermark.devices.simd_types import operation

# Kinds of calls, in the order of mpi_symbols.CALLS, and one that is not MPI's.
SEND, RECEIVE, START_SEND, START_RECEIVE, WAIT_ALL, SEND_RECEIVE = range(6)
ALL_REDUCE, REDUCE_SCATTER_BLOCK, REDUCE_SCATTER, ALL_GATHER, ALL_GATHER_PARTS = range(6, 11)
ALL_TO_ALL, ALL_TO_ALL_PARTS, BROADCAST, BARRIER, COPY = range(11, 16)
# Columns of the table of calls. `LAST` is the address of what the call fills in, a status or a request; for WAIT_ALL of
# the statuses, and `BUFFER` that of the requests. The columns from `INTO` on are what is received.
# Collectives: `PEER` is the root or the operation. Where parts differ, counts are the address of one a rank, and `LAST`
# and `SOURCE` those of displacements.
# COPY: from `BUFFER` into `INTO`, both addresses; `LAST` is the address of 10 words, three extents, the strides of both
# [B] and the bytes of an element.
KIND, FUNCTION, BUFFER, COUNT, DATATYPE, PEER, LAST, INTO, INTO_COUNT, INTO_DATATYPE, SOURCE = range(11)
COLUMNS = 11
TAG = 0
# [B] A call of memcpy takes as long as so many bytes word by word.
SHORT_ROW = 64
# A failure is its row times this, and the error.
ERRORS = 1 << 32


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


@operation
def word_at(typing_context: Any, address: Any, like: Any) -> Any:
    """The integer at an address, as wide as `like`."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(builder.inttoptr(values[0], values[1].type.as_pointer()), align=1)

    return like(address, like), generate


@operation
def put_word(typing_context: Any, address: Any, word: Any) -> Any:
    """Write an integer to an address."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store(values[1], builder.inttoptr(values[0], values[1].type.as_pointer()), align=1)
        return context.get_dummy_value()

    return types.none(address, word), generate


@operation
def copy_bytes(typing_context: Any, target: Any, source: Any, count: Any) -> Any:
    """C's memcpy."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        byte = ir.IntType(8).as_pointer()
        into, from_ = (builder.inttoptr(value, byte) for value in values[:2])
        cgutils.raw_memcpy(builder, into, from_, values[2], 1)
        return context.get_dummy_value()

    return types.none(target, source, count), generate


@operation
def columns(typing_context: Any, call: Any) -> Any:
    """The int64 of a row of the table, by its address."""
    kind = types.UniTuple(types.int64, COLUMNS)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        first = builder.inttoptr(values[0], ir.IntType(64).as_pointer())
        found = [builder.load(builder.gep(first, [ir.Constant(ir.IntType(64), place)])) for place in range(COLUMNS)]
        return context.make_tuple(builder, kind, found)

    return kind(call), generate


@njit(nogil=True, cache=True)
def copy_line(start: Any, into: Any, count: Any, from_step: Any, to_step: Any, item: Any) -> None:
    """`count` elements of `item` bytes from one address to another, `from_step` and `to_step` bytes apart."""
    like = np.int64(0)
    if from_step == item and to_step == item and count * item > SHORT_ROW:
        copy_bytes(into, start, count * item)
    elif item == 8:
        for k in range(count):
            put_word(into + k * to_step, word_at(start + k * from_step, like))
    elif item == 4:
        for k in range(count):
            put_word(into + k * to_step, word_at(start + k * from_step, np.int32(0)))
    else:
        for k in range(count):
            copy_bytes(into + k * to_step, start + k * from_step, item)


@njit(nogil=True, cache=True)
def copy_block(source: Any, target: Any, about: Any) -> None:
    """Elements of a block of three extents from one address to another, each with strides of its own (`LAST`)."""
    like = np.int64(0)
    rows, inner, last = word_at(about, like), word_at(about + 8, like), word_at(about + 16, like)
    from_row, from_inner, from_last = word_at(about + 24, like), word_at(about + 32, like), word_at(about + 40, like)
    to_row, to_inner, to_last = word_at(about + 48, like), word_at(about + 56, like), word_at(about + 64, like)
    item = word_at(about + 72, like)
    for i in range(rows):
        start, into = source + i * from_row, target + i * to_row
        for _ in range(inner):
            copy_line(start, into, last, from_last, to_last, item)
            start, into = start + from_inner, into + to_inner


@njit(nogil=True, cache=True)
def collective(call: Any, comm: Any) -> Any:
    """One collective call, or a copy; returns MPI's error."""
    kind, function, buffer, counts, type_, peer, starts, into, into_counts, into_type, into_starts = columns(call)
    count, into_count = np.int32(counts), np.int32(into_counts)
    datatype, what, sum_ = as_wide_as(type_, comm), as_wide_as(into_type, comm), as_wide_as(peer, comm)
    error = np.int32(0)
    if kind in (ALL_REDUCE, REDUCE_SCATTER_BLOCK):
        error = call_c(function, (buffer, into, count, datatype, sum_, comm))
    elif kind == REDUCE_SCATTER:
        error = call_c(function, (buffer, into, counts, datatype, sum_, comm))
    elif kind in (ALL_GATHER, ALL_TO_ALL):
        error = call_c(function, (buffer, count, datatype, into, into_count, what, comm))
    elif kind == ALL_GATHER_PARTS:
        error = call_c(function, (buffer, count, datatype, into, into_counts, into_starts, what, comm))
    elif kind == ALL_TO_ALL_PARTS:
        error = call_c(function, (buffer, counts, starts, datatype, into, into_counts, into_starts, what, comm))
    elif kind == BARRIER:
        error = call_c(function, (comm,))
    elif kind == BROADCAST:
        error = call_c(function, (buffer, count, datatype, np.int32(peer), comm))
    else:
        copy_block(buffer, into, starts)
    return error


@njit(nogil=True, cache=True)
def run_calls(steps: Any, calls: Any, rows: Any, comm: Any) -> Any:
    """A table of calls, `steps` times from top to bottom; it ends at the first that fails (MPI 4.1, chapters 3, 6).

    Parameters
    ----------
    calls : address of (rows, 11) int64, columns as above
    comm : int32 or int64, handle of the communicator; the type is that of all handles of the library

    Returns
    -------
    0, or the row that failed and MPI's error (`failed`)
    """
    tag = np.int32(TAG)
    for _ in range(steps):
        for row in range(rows):
            call = calls + 8 * COLUMNS * row
            kind, function, buffer, counts, type_, partner, last, into, into_counts, into_type, source = columns(call)
            count, peer, datatype = np.int32(counts), np.int32(partner), as_wide_as(type_, comm)
            if kind > SEND_RECEIVE:
                error = collective(call, comm)
            elif kind == WAIT_ALL:
                error = call_c(function, (count, buffer, last))
            elif kind == SEND:
                error = call_c(function, (buffer, count, datatype, peer, tag, comm))
            elif kind == SEND_RECEIVE:
                sent, size, what = (
                    (buffer, count, datatype, peer, tag),
                    np.int32(into_counts),
                    as_wide_as(into_type, comm),
                )
                error = call_c(function, (*sent, into, size, what, np.int32(source), tag, comm, last))
            else:
                error = call_c(function, (buffer, count, datatype, peer, tag, comm, last))
            if error != 0:
                return np.int64(row) * ERRORS + error
    return np.int64(0)


@njit(nogil=True, cache=True)
def clock(gettime: Any, number: Any, time: Any) -> Any:
    """[ns] of C's clock_gettime at an address, which fills in two int64 at `time`."""
    call_c(gettime, (number, time))
    return word_at(time, np.int64(0)) * 1_000_000_000 + word_at(time + 8, np.int64(0))


@njit(nogil=True, cache=True)
def run(steps: Any, table: Any, comm: Any, seconds: Any, count: Any) -> Any:
    """So many steps, or windows of so many steps, each timed from its first call to its last.

    Parameters
    ----------
    table : address of (11,) int64: address of the calls, their number; address of those before a window, of which the
        last is the barrier, their number; number of the clock, address of C's clock_gettime, and two int64 for it; time
        of the first window and their distance [ns], or 0 where a barrier begins them, and how many began late
    seconds : address of (count,) float64
    count : windows; 0 for the steps alone

    Returns
    -------
    as `run_calls`; the rows before a window are counted from the number of calls on
    """
    like = np.int64(0)
    calls, rows = word_at(table, like), word_at(table + 8, like)
    if count == 0:
        return run_calls(steps, calls, rows, comm)
    before, rows_before = word_at(table + 16, like), word_at(table + 24, like)
    number, gettime, time = np.int32(word_at(table + 32, like)), word_at(table + 40, like), table + 48
    begin, distance, late = word_at(table + 64, like), word_at(table + 72, like), np.int64(0)
    if distance > 0:
        rows_before -= 1
    for window in range(count):
        failed = run_calls(1, before, rows_before, comm)
        if failed != 0:
            return failed + rows * ERRORS
        start = clock(gettime, number, time)
        if distance > 0:
            late += start > begin
            while start < begin:
                start = clock(gettime, number, time)
            start = begin
            begin += distance
        failed = run_calls(steps, calls, rows, comm)
        taken = clock(gettime, number, time) - start
        if failed != 0:
            return failed
        put_word(seconds + 8 * window, 1e-9 * taken)
    put_word(table + 80, late)
    return np.int64(0)
