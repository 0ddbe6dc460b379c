"""Memory of the fake GPU and page-locked memory of the host, by address: who owns a byte, and whether it was written.

Addresses are real ones of this process, so that a CUDA-aware MPI can be played by a plain one; whether an address is
the GPU's, pinned or ordinary is looked up here, as the driver does.
"""

from __future__ import annotations

import bisect
import ctypes
import weakref
from typing import Any

import numpy as np

GARBAGE = 0xA5


class GpuFaultError(AssertionError):
    """A call that a real GPU would refuse, or would answer with wrong data."""


class Allocation:
    """Bytes of one kind of memory, filled with bytes that make no sense.

    Attributes
    ----------
    kind : "device" or "pinned"
    data : (nbytes,) uint8
    written : (nbytes,) bool
    """

    def __init__(self, kind: str, size: int, gpu: int) -> None:
        self.kind, self.size, self.gpu = kind, size, gpu
        self.data = np.full(max(size, 1), GARBAGE, np.uint8)
        self.written = np.zeros(max(size, 1), np.bool_)
        self.ptr = self.data.ctypes.data


class Memory:
    """All allocations that live, found by address."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._alive: dict[int, weakref.ref[Allocation]] = {}
        self.used = 0
        self.freed = 0

    def allocate(self, kind: str, size: int, gpu: int = 0) -> Allocation:
        """New memory, freed with its last array."""
        new = Allocation(kind, size, gpu)
        bisect.insort(self._starts, new.ptr)
        self._alive[new.ptr] = weakref.ref(new)
        if kind == "device":
            self.used += size
        weakref.finalize(new, self._forget, new.ptr, size if kind == "device" else 0)
        return new

    def _forget(self, start: int, size: int) -> None:
        self.used -= size
        self.freed += 1
        if self._alive.pop(start, None) is not None:
            self._starts.remove(start)

    def find(self, address: int) -> Allocation | None:
        """The allocation that owns an address, None for ordinary host memory."""
        place = bisect.bisect_right(self._starts, address) - 1
        if place < 0:
            return None
        found = self._alive[self._starts[place]]()
        return found if found is not None and address < found.ptr + max(found.size, 1) else None

    def kind(self, address: int) -> str:
        """ "device", "pinned" or "pageable"."""
        found = self.find(address)
        return found.kind if found else "pageable"

    def check(self, address: int, size: int, what: str) -> Allocation | None:
        """The owner of a range; raises GpuFaultError where it leaves its allocation."""
        found = self.find(address)
        if found is not None and address + size > found.ptr + found.size:
            past = address + size - found.ptr - found.size
            raise GpuFaultError(f"{what}: leaves its memory by {past} B (copies {size} B)")
        return found

    def mark(self, address: int, size: int) -> None:
        """A range counts as written."""
        found = self.find(address)
        if found is not None:
            start = address - found.ptr
            found.written[start : start + size] = True


def read_bytes(address: int, size: int) -> bytes:
    """What stands at an address now."""
    return ctypes.string_at(address, size)


def move(destination: int, source: int, size: int) -> None:
    """memmove."""
    ctypes.memmove(destination, source, size)


class BaseMemory:
    """cupy.cuda.BaseMemory: owns an allocation."""

    def __init__(self, allocation: Allocation) -> None:
        self.allocation = allocation
        self.ptr = allocation.ptr
        self.size = allocation.size
        self.device_id = allocation.gpu


class PinnedMemoryPointer:
    """cupy.cuda.PinnedMemoryPointer: a buffer of page-locked host memory (made by `pinned_pointer`)."""

    mem: Any
    ptr: int
    _offset: int

    def size(self) -> int:
        """Bytes from here to the end."""
        return self.mem.size - self._offset


def pinned_pointer(allocation: Allocation) -> Any:
    """Page-locked memory that NumPy can take as a buffer; ctypes lends the buffer before Python 3.12."""
    kind: Any = type("PinnedMemoryPointer", (PinnedMemoryPointer, ctypes.c_uint8 * allocation.data.size), {})
    pointer: Any = kind.from_buffer(allocation.data)
    pointer.mem, pointer.ptr, pointer._offset = BaseMemory(allocation), allocation.ptr, 0
    return pointer
