"""Pipelines that carry device memory through pinned chunks of host memory, copies beside communication.

Chunk k of a vector is copied to the host, communicated, and copied back. Chunks take turns in a few slots; each slot
has its own stream, so that the copy of chunk k + 1 to the host and that of chunk k - 1 to the device run while the
ranks communicate chunk k. Nothing is allocated and no buffer spec is built while a pipeline runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]
Call = Callable[[], object]

CHUNK_BYTES = 2 << 20
SLOTS = 3


@dataclass(frozen=True)
class Piece:
    """One chunk on its way.

    Attributes
    ----------
    down : copies to the host, given to the slot's stream
    communicate : called when they are done; returns when the host's chunk holds the result
    up : copies to the device, given to the slot's stream
    """

    down: tuple[Call, ...]
    communicate: Call
    up: tuple[Call, ...]


class Slots:
    """Streams of a device, and the pinned memory of each.

    Parameters
    ----------
    device : asynchronous, with `pinned`, `stream`, `event` and `copy_async` (devices/cuda.py)
    chunk_bytes : of a slot
    count : slots
    """

    def __init__(self, device: Any, chunk_bytes: int = CHUNK_BYTES, count: int = SLOTS) -> None:
        """Two slots or more: one whose chunk is communicated, and one whose chunk is copied meanwhile."""
        if count < 2:
            raise ValueError(f"has {count} slot(s): a copy can run beside communication from two on")
        self.device = device
        self.chunk_bytes = chunk_bytes
        self.streams = [device.stream() for _ in range(count)]
        self.ready = device.event()

    def chunk_elements(self, itemsize: int, parts: int = 1) -> int:
        """Elements of each of `parts` parts that fit a chunk together; at least one."""
        return max(1, self.chunk_bytes // (itemsize * parts))

    def buffers(self, count: int, dtype: str) -> list[Array]:
        """Pinned memory of `count` elements for each slot."""
        return [self.device.pinned((max(count, 1),), dtype) for _ in self.streams]

    def copies(self, slot: int, pairs: Sequence[tuple[Array, Array]]) -> tuple[Call, ...]:
        """(destination, source) of each copy on a slot's stream, as calls; empty ones are left out."""
        stream, copy = self.streams[slot], self.device.copy_async

        def prepared(destination: Array, source: Array) -> Call:
            return lambda: copy(destination, source, stream)

        return tuple(prepared(destination, source) for destination, source in pairs if source.size)

    def follow_default_stream(self) -> None:
        """What the slots' streams are given from now on waits for what the device was given before."""
        self.ready.record()
        for stream in self.streams:
            stream.wait_event(self.ready)

    def finish(self) -> None:
        """Wait for all copies: the next work on the device finds the results."""
        for stream in self.streams:
            stream.synchronize()


def pipeline(slots: Slots, pieces: Sequence[Piece]) -> Call:
    """A call that carries piece after piece; piece k uses slot k modulo their number.

    A slot is taken again when its stream has copied the result of the piece before to the device: that copy stands
    before the next one on the same stream.
    """
    count = len(slots.streams)

    def run() -> None:
        slots.follow_default_stream()
        for piece in pieces[: count - 1]:
            _give(piece.down)
        for number, piece in enumerate(pieces):
            ahead = number + count - 1
            if ahead < len(pieces):
                _give(pieces[ahead].down)
            slots.streams[number % count].synchronize()
            piece.communicate()
            _give(piece.up)
        slots.finish()

    return run


def _give(copies: tuple[Call, ...]) -> None:
    for copy in copies:
        copy()


def cuts(count: int, length: int) -> list[slice]:
    """`count` elements in chunks of `length`."""
    return [slice(start, min(start + length, count)) for start in range(0, count, length)]


def flat(array: Any) -> Any:
    """The elements of a C-contiguous array in one dimension; raises ValueError for any other."""
    if not array.flags.c_contiguous:
        raise ValueError("buffers of messages must be C-contiguous")
    return array.reshape(-1)


def packed(lengths: Sequence[int]) -> list[slice]:
    """Where parts of these lengths stand one behind the other."""
    ends = accumulate(lengths, initial=0)
    return [slice(start, end) for start, end in pairwise(ends)]
