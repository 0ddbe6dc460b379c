"""Memory spaces: bytes, and for each byte whether it exists and whether it was written."""

from __future__ import annotations

import numpy as np

from ptx.faults import FaultError, MisalignedError, OutOfBoundsError, ReadOnlyError, UninitialisedMemoryError
from ptx.formats import UNSIGNED
from ptx.races import ATOMIC, READ, WRITE, Clock, Shadow
from ptx.registers import Lanes, numbers

# States of a byte.
ABSENT, ALLOCATED, WRITTEN = 0, 1, 2
# Where generic addresses of each space begin; global memory is where it is.
GLOBAL_BASE, SHARED_WINDOW, LOCAL_WINDOW = 1 << 32, 1 << 56, 1 << 57
# Bytes between two arrays that nobody owns.
GUARD = 256


def _pattern(state: int, size: int) -> np.integer:
    return UNSIGNED[8 * size].type(int.from_bytes(bytes([state]) * size, "little"))


class Space:
    """One memory space of a wave.

    Parameters
    ----------
    name : "global", "shared" or "local"
    size : bytes that a thread can reach
    origins : (threads,) first byte of what each thread can reach, or None where all reach the same
    data, state : (bytes,) uint8
    shadow : where accesses are noted, or None
    """

    def __init__(
        self,
        name: str,
        size: int,
        origins: np.ndarray | None,
        data: np.ndarray,
        state: np.ndarray,
        shadow: Shadow | None = None,
    ) -> None:
        self.name = name
        self.size = size
        self.origins = origins
        self.data = data
        self.state = state
        self.shadow = shadow
        self.base = GLOBAL_BASE if name == "global" else 0
        self.read_only: np.ndarray | None = None
        self.changed = np.zeros(data.size, np.bool_) if name == "global" else None

    def places(self, addresses: np.ndarray, size: int, lanes: Lanes, threads: int) -> np.ndarray:
        """Bytes in `data` of accesses of `size` bytes, checked for alignment and bounds."""
        offsets = addresses - self.base
        who = numbers(lanes, threads)
        offsets = np.broadcast_to(offsets, who.shape)
        odd = offsets & (size - 1) != 0
        if odd.any():
            self._fail(MisalignedError, odd, offsets, size, who, f"is no multiple of {size}")
        outside = (offsets < 0) | (offsets > self.size - size)
        if outside.any():
            self._fail(OutOfBoundsError, outside, offsets, size, who, f"is outside of its {self.size} bytes")
        return offsets if self.origins is None else offsets + self.origins[lanes]

    def _fail(
        self, kind: type[FaultError], bad: np.ndarray, offsets: np.ndarray, size: int, who: np.ndarray, why: str
    ) -> None:
        place = int(np.flatnonzero(bad)[0])
        where = f"byte {int(offsets[place])} of {self.name} memory"
        raise kind(f"access of {size} bytes at {where}, which {why}", int(who[place]))

    def _bytes_with(self, state: int, places: np.ndarray, size: int) -> np.ndarray:
        """Which accesses touch a byte whose state is below `state`."""
        return np.logical_or.reduce(self.state[places[:, None] + np.arange(size)] < state, axis=1)

    def _need(self, state: int, places: np.ndarray, unit: int, count: int, who: np.ndarray) -> None:
        known = self.state.view(UNSIGNED[8 * unit])
        cells = places // unit
        good = _pattern(WRITTEN, unit)
        if all((known[cells + part] == good).all() for part in range(count)):
            return
        size = unit * count
        absent = self._bytes_with(ALLOCATED, places, size)
        if absent.any():
            self._fail(OutOfBoundsError, absent, places, size, who, "is outside of every array")
        if state == WRITTEN:
            unwritten = self._bytes_with(WRITTEN, places, size)
            if unwritten.any():
                self._fail(UninitialisedMemoryError, unwritten, places, size, who, "nothing has written")

    def load(
        self, addresses: np.ndarray, unit: int, count: int, lanes: Lanes, clock: Clock, kind: int = READ
    ) -> list[np.ndarray]:
        """`count` values of `unit` bytes per thread, as unsigned integers."""
        threads = clock.thread_numbers.size
        who = numbers(lanes, threads)
        places = self.places(addresses, unit * count, lanes, threads)
        self._need(WRITTEN, places, unit, count, who)
        if self.shadow is not None:
            self.shadow.access(kind, places, unit * count, who, clock)
        data, cells = self.data.view(UNSIGNED[8 * unit]), places // unit
        return [data[cells + part] for part in range(count)]

    def load_read_only(
        self, addresses: np.ndarray, unit: int, count: int, lanes: Lanes, clock: Clock
    ) -> list[np.ndarray]:
        """As `load`, through the read-only cache: no thread of the launch may write what is read so (ld.global.nc)."""
        values = self.load(addresses, unit, count, lanes, clock)
        places = self.places(addresses, unit * count, lanes, clock.thread_numbers.size)
        if self.read_only is None:
            self.read_only = np.zeros(self.data.size, np.bool_)
        touched = places[:, None] + np.arange(unit * count)
        if self.changed is not None and self.changed[touched].any():
            self._read_only(np.logical_or.reduce(self.changed[touched], axis=1), places, unit * count, lanes, clock)
        self.read_only[touched] = True
        return values

    def _read_only(self, bad: np.ndarray, places: np.ndarray, size: int, lanes: Lanes, clock: Clock) -> None:
        who = numbers(lanes, clock.thread_numbers.size)
        self._fail(
            ReadOnlyError, bad, places, size, who, "is read through the read-only cache and written in one launch"
        )

    def writable(
        self, addresses: np.ndarray, unit: int, count: int, lanes: Lanes, clock: Clock, kind: int
    ) -> np.ndarray:
        """Cells of `unit` bytes that may be written, after all checks; they count as written from here on."""
        threads = clock.thread_numbers.size
        who = numbers(lanes, threads)
        places = self.places(addresses, unit * count, lanes, threads)
        self._need(WRITTEN if kind == ATOMIC else ALLOCATED, places, unit, count, who)
        if self.shadow is not None:
            self.shadow.access(kind, places, unit * count, who, clock)
        if self.changed is not None:
            touched = places[:, None] + np.arange(unit * count)
            self.changed[touched] = True
            if self.read_only is not None and self.read_only[touched].any():
                self._read_only(
                    np.logical_or.reduce(self.read_only[touched], axis=1), places, unit * count, lanes, clock
                )
        return places // unit

    def store(
        self, addresses: np.ndarray, values: list[np.ndarray], lanes: Lanes, clock: Clock, kind: int = WRITE
    ) -> None:
        """Write unsigned integers of one width, side by side, per thread."""
        unit = values[0].dtype.itemsize
        cells = self.writable(addresses, unit, len(values), lanes, clock, kind)
        data, state = self.data.view(UNSIGNED[8 * unit]), self.state.view(UNSIGNED[8 * unit])
        for part, value in enumerate(values):
            data[cells + part] = value
            state[cells + part] = _pattern(WRITTEN, unit)


def region(size: int, owners: int, state: int) -> tuple[np.ndarray, np.ndarray, int]:
    """(data, state, stride) of `size` bytes for each of so many owners."""
    stride = -(-max(size, 1) // 16) * 16
    states = np.full((owners, stride), ABSENT, np.uint8)
    states[:, :size] = state
    return np.zeros(owners * stride, np.uint8), states.ravel(), stride
