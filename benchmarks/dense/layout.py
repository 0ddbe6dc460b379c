"""Block-cyclic layout along one axis: block k of nb indices belongs to process k mod P (ScaLAPACK, Blackford 1997)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[Any]
Index = TypeVar("Index", int, npt.NDArray[Any])


@dataclass(frozen=True)
class Cyclic:
    """Indices 0 … size−1 dealt out in blocks.

    Attributes
    ----------
    size, block : indices in all, and per block; the last block may be shorter
    processes, place : how many share them, and which of them this is
    """

    size: int
    block: int
    processes: int
    place: int

    def owner(self, index: Index) -> Index:
        """The process that has an index, or each of many."""
        return index // self.block % self.processes

    def below(self, index: int, place: int | None = None) -> int:
        """How many indices below `index` a process has (default: this one): also where its part from there begins."""
        mine = self.place if place is None else place
        whole, rest = divmod(min(index, self.size), self.block)
        rounds, last = divmod(whole, self.processes)
        return rounds * self.block + (self.block if mine < last else rest if mine == last else 0)

    def local(self, index: Index) -> Index:
        """Where its owner keeps an index, or each of many."""
        return index // (self.block * self.processes) * self.block + index % self.block

    @cached_property
    def mine(self) -> Indices:
        """(count,) int64, ascending: the indices of this process."""
        every = np.arange(self.size, dtype=np.int64)
        return every[every // self.block % self.processes == self.place]
