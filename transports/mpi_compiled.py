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

# Kinds of calls, in the order of mpi_symbols.CALLS, and one that is none of MPI's.
SEND, RECEIVE, START_SEND, START_RECEIVE, WAIT_ALL, SEND_RECEIVE = range(6)
ALL_REDUCE, REDUCE_SCATTER_BLOCK, REDUCE_SCATTER, ALL_GATHER, ALL_GATHER_PARTS = range(6, 11)
ALL_TO_ALL, ALL_TO_ALL_PARTS, BROADCAST, COPY = range(11, 15)
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


@njit(nogil=True, cache=True)
def copy_block(source: Any, target: Any, about: Any) -> None:
    """Elements of a block of three extents from one address to another, each with strides of its own (`LAST`)."""
    like = np.int64(0)
    rows, columns, last = word_at(about, like), word_at(about + 8, like), word_at(about + 16, like)
    from_row, from_column, from_last = word_at(about + 24, like), word_at(about + 32, like), word_at(about + 40, like)
    to_row, to_column, to_last = word_at(about + 48, like), word_at(about + 56, like), word_at(about + 64, like)
    item = word_at(about + 72, like)
    for i in range(rows):
        for j in range(columns):
            start = source + i * from_row + j * from_column
            into = target + i * to_row + j * to_column
            if from_last == item and to_last == item and last * item > SHORT_ROW:
                copy_bytes(into, start, last * item)
            elif item == 8:
                for k in range(last):
                    put_word(into + k * to_last, word_at(start + k * from_last, like))
            elif item == 4:
                for k in range(last):
                    put_word(into + k * to_last, word_at(start + k * from_last, np.int32(0)))
            else:
                for k in range(last):
                    copy_bytes(into + k * to_last, start + k * from_last, item)


@njit(nogil=True, cache=True)
def collective(calls: Any, row: Any, comm: Any) -> Any:
    """One collective call; returns MPI's error."""
    kind, function, buffer, into = calls[row, KIND], calls[row, FUNCTION], calls[row, BUFFER], calls[row, INTO]
    counts, into_counts, starts, into_starts = (
        calls[row, COUNT],
        calls[row, INTO_COUNT],
        calls[row, LAST],
        calls[row, SOURCE],
    )
    count, into_count = np.int32(counts), np.int32(into_counts)
    datatype, what = as_wide_as(calls[row, DATATYPE], comm), as_wide_as(calls[row, INTO_DATATYPE], comm)
    error = np.int32(0)
    if kind in (ALL_REDUCE, REDUCE_SCATTER_BLOCK):
        error = call_c(function, (buffer, into, count, datatype, as_wide_as(calls[row, PEER], comm), comm))
    elif kind == REDUCE_SCATTER:
        error = call_c(function, (buffer, into, counts, datatype, as_wide_as(calls[row, PEER], comm), comm))
    elif kind in (ALL_GATHER, ALL_TO_ALL):
        error = call_c(function, (buffer, count, datatype, into, into_count, what, comm))
    elif kind == ALL_GATHER_PARTS:
        error = call_c(function, (buffer, count, datatype, into, into_counts, into_starts, what, comm))
    elif kind == ALL_TO_ALL_PARTS:
        sent = (buffer, counts, starts, datatype)
        error = call_c(function, (*sent, into, into_counts, into_starts, what, comm))
    elif kind == BROADCAST:
        error = call_c(function, (buffer, count, datatype, np.int32(calls[row, PEER]), comm))
    else:
        copy_block(buffer, into, starts)
    return error


@njit(nogil=True, cache=True)
def run_calls(steps: Any, calls: Any, communicator: Any) -> Any:
    """A table of calls, `steps` times from top to bottom; it ends at the first that fails (MPI 4.1, chapters 3, 6).

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
            if kind > SEND_RECEIVE:
                error = collective(calls, row, comm)
            elif kind == WAIT_ALL:
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
