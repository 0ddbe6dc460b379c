"""One rank without any MPI call: collectives are copies."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def _nothing() -> None:
    pass


class LocalTransport:
    """The protocol of core.context.Transport for a single rank."""

    name = "local"
    rank = 0
    size = 1

    def barrier(self) -> object:
        """Nobody to wait for."""
        return None

    def prepare_allreduce(self, send: Array | None, receive: Array) -> Callable[[], object]:
        """The sum over one rank: a copy, or nothing in place."""
        return _nothing if send is None else partial(np.copyto, receive, send)

    def prepare_sendrecv(self, send: Array, destination: int, receive: Array, source: int) -> Callable[[], object]:
        """A copy to itself; any other rank is a ValueError."""
        if destination != 0 or source != 0:
            raise ValueError(f"rank {destination} or {source} does not exist in a world of one")
        return partial(np.copyto, receive, send)

    def max_to_root(self, values: Array) -> Array | None:
        """The values."""
        return values.copy()

    def broadcast(self, value: Any) -> Any:
        """The value."""
        return value

    def gather(self, value: Any) -> list[Any] | None:
        """A list of one."""
        return [value]

    def sum(self, value: float) -> float:
        """The value."""
        return value

    def maximum(self, value: float) -> float:
        """The value."""
        return value
