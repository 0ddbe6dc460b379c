"""Ranks that are threads of this process: as much of mpi4py's communicator as the engine uses.

A message or a rank that does not come ends the test after PATIENCE instead of hanging it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import Empty, Queue
from typing import Any

import numpy as np

PATIENCE = 20.0


class World:
    """What the threads share."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.barrier = threading.Barrier(size, timeout=PATIENCE)
        self.values: list[Any] = [None] * size
        self.broken = threading.Event()
        self._mail: dict[tuple[int, int, int], Queue[Any]] = {}
        self._lock = threading.Lock()

    def mail(self, source: int, target: int, tag: int) -> Queue[Any]:
        """Messages under way from one rank to another, in their order."""
        with self._lock:
            return self._mail.setdefault((source, target, tag), Queue())


class Request:
    """A message under way."""

    def __init__(self, wait: Callable[[], object] = lambda: None) -> None:
        self.Wait = wait


class ThreadComm:
    """The communicator of one of the threads; messages are copied when they are sent."""

    def __init__(self, world: World, rank: int) -> None:
        self.world, self.rank, self.size = world, rank, world.size

    def allgather(self, value: Any) -> list[Any]:
        self.world.values[self.rank] = value
        self.world.barrier.wait()
        values = list(self.world.values)
        self.world.barrier.wait()
        return values

    def gather(self, value: Any, root: int) -> list[Any] | None:
        values = self.allgather(value)
        return values if self.rank == root else None

    def bcast(self, value: Any, root: int) -> Any:
        return self.allgather(value)[root]

    def allreduce(self, value: Any) -> Any:
        return sum(self.allgather(value))

    def Allreduce(self, array: Any, into: Any) -> None:
        into[...] = sum(self.allgather(array.copy()))

    def send(self, value: Any, target: int, tag: int) -> None:
        self.world.mail(self.rank, target, tag).put(value)

    def recv(self, buffer: None, source: int, tag: int) -> Any:
        for _ in range(int(10 * PATIENCE)):
            try:
                return self.world.mail(source, self.rank, tag).get(timeout=0.1)
            except Empty:
                if self.world.broken.is_set():
                    break
        raise TimeoutError(f"rank {self.rank} waited in vain for message {tag} of rank {source}")

    def Send(self, array: Any, target: int, tag: int) -> None:
        self.send(np.array(array), target, tag)

    def Recv(self, array: Any, source: int, tag: int) -> None:
        message = self.recv(None, source, tag)
        if (message.dtype, message.size) != (array.dtype, array.size):
            raise ValueError(f"rank {self.rank}: {message.size} × {message.dtype} for {array.size} × {array.dtype}")
        array[...] = message.reshape(array.shape)

    def Isend(self, array: Any, target: int, tag: int) -> Request:
        self.Send(array, target, tag)
        return Request()

    def Irecv(self, array: Any, source: int, tag: int) -> Request:
        return Request(lambda: self.Recv(array, source, tag))

    def Sendrecv(self, out: Any, target: int, tag: int, into: Any, source: int, source_tag: int) -> None:
        self.Send(out, target, tag)
        self.Recv(into, source, source_tag)


def on_ranks(ranks: int, main: Callable[[Any], Any]) -> list[Any]:
    """`main(comm)` on each rank; raises the first rank's error if one failed by itself, not for want of another."""
    world = World(ranks)

    def guarded(rank: int) -> Any:
        try:
            return main(ThreadComm(world, rank))
        except BaseException:
            world.broken.set()
            world.barrier.abort()
            raise

    with ThreadPoolExecutor(ranks) as pool:
        futures = [pool.submit(guarded, rank) for rank in range(ranks)]
        errors = [error for future in futures if (error := future.exception()) is not None]
    own = [error for error in errors if not isinstance(error, TimeoutError | threading.BrokenBarrierError)]
    for error in own or errors:
        raise error
    return [future.result() for future in futures]
