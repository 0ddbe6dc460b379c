"""What must move: the bytes that launches read and write, each counted once a launch, as if caches were perfect."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np

from ptx.memory import Space


class Traffic:
    """Bytes of global memory that launches have touched.

    Attributes
    ----------
    read, written : distinct bytes of each launch, summed over launches
    """

    def __init__(self) -> None:
        self._touched: list[tuple[Space, np.ndarray, np.ndarray]] = []

    def note(self, space: Space, places: np.ndarray, size: int, *, write: bool) -> None:
        """An access of some threads to `size` bytes each."""
        if not self._touched or self._touched[-1][0] is not space:
            self._touched.append((space, np.zeros(space.size, np.bool_), np.zeros(space.size, np.bool_)))
        _, read, written = self._touched[-1]
        (written if write else read)[places[:, None] + np.arange(size)] = True

    @property
    def read(self) -> int:
        """Bytes that are read."""
        return sum(int(read.sum()) for _, read, _ in self._touched)

    @property
    def written(self) -> int:
        """Bytes that are written."""
        return sum(int(written.sum()) for _, _, written in self._touched)


@contextmanager
def traffic() -> Iterator[Traffic]:
    """Within, accesses of interpreted kernels to global memory are counted."""
    found = Traffic()
    load, writable = Space.load, Space.writable

    def noted(space: Space, addresses: Any, size: int, lanes: Any, clock: Any, *, write: bool) -> None:
        if space.name == "global":
            found.note(space, space.places(addresses, size, lanes, clock.thread_numbers.size), size, write=write)

    def counted_load(space: Space, addresses: Any, unit: int, count: int, lanes: Any, clock: Any, *kind: Any) -> Any:
        noted(space, addresses, unit * count, lanes, clock, write=False)
        return load(space, addresses, unit, count, lanes, clock, *kind)

    def counted_writable(space: Space, addresses: Any, unit: int, count: int, lanes: Any, clock: Any, kind: Any) -> Any:
        noted(space, addresses, unit * count, lanes, clock, write=True)
        return writable(space, addresses, unit, count, lanes, clock, kind)

    with mock.patch.object(Space, "load", counted_load), mock.patch.object(Space, "writable", counted_writable):
        yield found
