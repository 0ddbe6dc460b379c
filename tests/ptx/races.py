"""Races: two threads, one place, no order between them, one of them writes, and not both accesses are atomic.

For every cell of memory the last write, read and atomic access are kept, with the thread, and how many barriers its
block and how many full synchronisations its warp had passed. A barrier of the block orders what its threads did before
and do after; `bar.warp.sync` of all live lanes orders inside a warp. Nothing orders blocks of one launch: who lets
blocks wait for each other through atomic flags must switch the check off for global memory.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ptx.faults import GlobalRaceError, RaceError, SharedRaceError

WRITE, READ, ATOMIC = range(3)
_NAMES = ("write", "read", "atomic access")
_CONFLICTS = {WRITE: (WRITE, READ, ATOMIC), READ: (WRITE, ATOMIC), ATOMIC: (WRITE, READ)}
_NOBODY, _SEVERAL = -1, -2


class Clock(Protocol):
    """What a wave knows about its threads, each an array of one number per thread."""

    thread_numbers: np.ndarray
    warp_numbers: np.ndarray
    block_numbers: np.ndarray
    barriers_passed: np.ndarray
    warp_syncs_passed: np.ndarray


class Shadow:
    """The last accesses to each cell of a memory.

    Parameters
    ----------
    size : bytes of the memory
    unit : bytes of a cell: the smallest access that the kernel can make
    shared : whether it is shared memory, which only words the fault
    """

    def __init__(self, size: int, unit: int, *, shared: bool) -> None:
        cells = size // unit + 1
        self.unit = unit
        self.shared = shared
        self.thread = np.full((3, cells), _NOBODY, np.int32)
        self.warp = np.zeros((3, cells), np.int32)
        self.block = np.zeros((3, cells), np.int32)
        self.barriers = np.zeros((3, cells), np.int32)
        self.syncs = np.zeros((3, cells), np.int32)
        self.used = [False, False, False]

    def access(self, kind: int, places: np.ndarray, size: int, threads: np.ndarray, clock: Clock) -> None:
        """Note accesses, one per thread, and complain where one meets an unordered one.

        Parameters
        ----------
        kind : WRITE, READ or ATOMIC
        places : bytes from the begin of the memory
        size : bytes of each access
        threads : numbers in the wave
        """
        width = max(1, size // self.unit)
        cells = places // self.unit
        if width > 1:
            cells = (cells[:, None] + np.arange(width)).ravel()
            threads = np.repeat(threads, width)
        who, warp, block = (a[threads] for a in (clock.thread_numbers, clock.warp_numbers, clock.block_numbers))
        barriers, syncs = clock.barriers_passed[threads], clock.warp_syncs_passed[threads]
        for other in _CONFLICTS[kind]:
            if self.used[other]:
                unordered = self._unordered(other, cells, who, warp, block, barriers, syncs)
                if unordered.any():
                    raise self._race(kind, other, cells, threads, int(np.flatnonzero(unordered)[0]))
        self._note(kind, cells, who, warp, block, barriers, syncs)
        if kind == WRITE:
            met = self.thread[WRITE][cells] != who
            if met.any():
                raise self._race(WRITE, WRITE, cells, threads, int(np.flatnonzero(met)[0]))

    def _unordered(
        self,
        other: int,
        cells: np.ndarray,
        who: np.ndarray,
        warp: np.ndarray,
        block: np.ndarray,
        barriers: np.ndarray,
        syncs: np.ndarray,
    ) -> np.ndarray:
        """Where an access of the kind `other` by another thread has no order to the one that is made now."""
        last = self.thread[other][cells]
        met = (last != _NOBODY) & (last != who)
        if not met.any():
            return met
        ordered = (self.block[other][cells] == block) & (self.barriers[other][cells] < barriers)
        ordered |= (self.warp[other][cells] == warp) & (self.syncs[other][cells] < syncs)
        return met & ~ordered

    def _note(
        self,
        kind: int,
        cells: np.ndarray,
        who: np.ndarray,
        warp: np.ndarray,
        block: np.ndarray,
        barriers: np.ndarray,
        syncs: np.ndarray,
    ) -> None:
        if kind != WRITE and self.used[kind]:
            joins = self._unordered(kind, cells, who, warp, block, barriers, syncs)
            if joins.any():
                who = np.where(joins, _SEVERAL, who)
                warp = np.where(joins & (self.warp[kind][cells] != warp), _SEVERAL, warp)
                block = np.where(joins & (self.block[kind][cells] != block), _SEVERAL, block)
        self.used[kind] = True
        for table, values in (
            (self.thread, who),
            (self.warp, warp),
            (self.block, block),
            (self.barriers, barriers),
            (self.syncs, syncs),
        ):
            table[kind][cells] = values
        if kind == WRITE:
            return
        for table, values in ((self.thread, who), (self.warp, warp), (self.block, block)):
            differs = table[kind][cells] != values
            if differs.any():
                table[kind][cells[differs]] = _SEVERAL

    def _race(self, kind: int, other: int, cells: np.ndarray, threads: np.ndarray, place: int) -> RaceError:
        last = int(self.thread[other][cells[place]])
        whom = f"thread {last} of the grid" if last >= 0 else "several threads"
        what = (
            f"race: {_NAMES[kind]} of a place that {whom} touched by a {_NAMES[other]}"
            " with no barrier between (byte "
            f"{int(cells[place]) * self.unit} of the {'shared' if self.shared else 'global'} memory)"
        )
        return (SharedRaceError if self.shared else GlobalRaceError)(what, int(threads[place]))
