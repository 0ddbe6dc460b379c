"""One rank without any MPI call: collectives are copies."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.core.context import CompiledStep, StepPart
from clustermark.core.errors import DeviceError

Array = npt.NDArray[Any]
Message = tuple[Array, int]


def _nothing() -> None:
    pass


def _only(*ranks: int) -> None:
    for rank in ranks:
        if rank != 0:
            raise ValueError(f"rank {rank} does not exist in a world of one")


class LocalTransport:
    """The protocol of core.context.Transport for a single rank."""

    name = "local"
    rank = 0
    size = 1

    copyto: Callable[[Array, Array], object] = staticmethod(np.copyto)

    def barrier(self) -> object:
        """Nobody to wait for."""
        return None

    def _copy(self, send: Array | None, receive: Array) -> Callable[[], object]:
        return _nothing if send is None else partial(self.copyto, receive, send)

    def prepare_allreduce(self, send: Array | None, receive: Array) -> Callable[[], object]:
        """The sum over one rank: a copy, or nothing in place."""
        return self._copy(send, receive)

    def prepare_reduce_scatter(self, send: Array | None, receive: Array) -> Callable[[], object]:
        """The sum over one rank, whose part is the whole."""
        return self._copy(send, receive)

    def reduced_in_place(self, count: int) -> slice:
        """The whole."""
        return slice(0, count)

    def prepare_allgather(self, send: Array | None, receive: Array) -> Callable[[], object]:
        """The only part."""
        return self._copy(send, receive)

    def prepare_alltoall(self, send: Array, receive: Array) -> Callable[[], object]:
        """The only part."""
        return self._copy(send, receive)

    def prepare_broadcast(self, buffer: Array, root: int) -> Callable[[], object]:
        """Nothing: the root has it."""
        _only(root)
        return _nothing

    def prepare_sendrecv(self, send: Array, destination: int, receive: Array, source: int) -> Callable[[], object]:
        """A copy to itself; any other rank is a ValueError."""
        return self.prepare_exchange([(send, destination)], [(receive, source)])

    def prepare_send(self, buffer: Array, destination: int) -> Callable[[], object]:
        """A ValueError: nobody receives."""
        raise ValueError("a send without a receive cannot end in a world of one; prepare an exchange")

    def prepare_receive(self, buffer: Array, source: int) -> Callable[[], object]:
        """A ValueError: nobody sends."""
        raise ValueError("a receive without a send cannot end in a world of one; prepare an exchange")

    def prepare_exchange(self, sends: Sequence[Message], receives: Sequence[Message]) -> Callable[[], object]:
        """Copies to itself, in order; any other rank is a ValueError."""
        _only(*(peer for _, peer in (*sends, *receives)))
        pairs = zip(sends, receives, strict=True)
        copies = [partial(self.copyto, receive, send) for (send, _), (receive, _) in pairs]

        def exchange() -> None:
            for copy in copies:
                copy()

        return copies[0] if len(copies) == 1 else exchange

    def why_not_compiled(self) -> str:
        """Copies of NumPy."""
        return "one rank makes no MPI call"

    def why_no_large_counts(self) -> str:
        """NumPy counts as far as memory goes."""
        return ""

    def compile_step(self, parts: Sequence[StepPart], before: Sequence[StepPart] = ()) -> CompiledStep:
        """A DeviceError: there is nothing to compile."""
        raise DeviceError(f"transport '{self.name}' cannot be called from compiled code: {self.why_not_compiled()}")

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


def _assign(destination: Array, source: Array) -> None:
    destination[...] = source


class DeviceLocalTransport(LocalTransport):
    """The same for arrays of any device, which copy among themselves when assigned."""

    copyto: Callable[[Array, Array], object] = staticmethod(_assign)
