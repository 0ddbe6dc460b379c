"""Streams and events whose work waits: nothing that was given to a stream is done before somebody waits for it.

A real GPU may do it at any time in between. Doing it as late as the rules allow makes a forgotten wait visible every
time: whoever reads too early reads what was there before. The rules are CUDA's: a stream keeps its order; the legacy
default stream waits for all blocking streams, and they for it; non-blocking streams wait for nobody; an event is the
work that its stream had when it was recorded.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

Work = Callable[[], object]


@dataclass
class Operation:
    """One piece of work; `after` must be done first."""

    number: int
    name: str
    work: Work | None
    after: list[Operation] = field(default_factory=list)
    done: bool = False


class Queue:
    """What one GPU has to do; `cost` is told the name of each operation when it is done."""

    def __init__(self, cost: Callable[[str], object] = lambda name: None) -> None:
        self.lock = threading.RLock()
        self.cost = cost
        self.clock = 0.0
        self.seconds_of: dict[str, float] = {}
        self._count = 0
        self._last: dict[int, Operation] = {}
        self._waits: dict[int, list[Operation]] = {}
        self._blocking: set[int] = {0}
        self._capturing: dict[int, list[tuple[str, Work]]] = {}

    def add_stream(self, stream: int, non_blocking: bool) -> None:
        """A new stream."""
        if not non_blocking:
            self._blocking.add(stream)

    def give(self, stream: int, name: str, work: Work | None) -> Operation:
        """Work for a stream; it is done when somebody waits."""
        with self.lock:
            if stream in self._capturing:
                self._capturing[stream].append((name, work or (lambda: None)))
                return Operation(-1, name, None, done=True)
            self._count += 1
            after = [self._last[stream]] if stream in self._last else []
            after += self._waits.pop(stream, [])
            if stream == 0:
                after += [self._last[other] for other in self._blocking if other in self._last]
            elif stream in self._blocking and 0 in self._last:
                after.append(self._last[0])
            operation = Operation(self._count, name, work, [one for one in after if not one.done])
            self._last[stream] = operation
            return operation

    def hold(self, stream: int, operation: Operation) -> None:
        """What is given to the stream from now on waits for an operation."""
        with self.lock:
            self._waits.setdefault(stream, []).append(operation)

    def run(self, operation: Operation | None) -> None:
        """Do an operation and what it waits for, oldest first."""
        if operation is None or operation.done:
            return
        with self.lock:
            wanted: dict[int, Operation] = {}
            waiting = [operation]
            while waiting:
                one = waiting.pop()
                if not one.done and one.number not in wanted:
                    wanted[one.number] = one
                    waiting += one.after
            for number in sorted(wanted):
                self._do(wanted[number])

    def _do(self, operation: Operation) -> None:
        operation.done = True
        operation.after = []
        work, operation.work = operation.work, None
        self.clock += self.seconds_of.get(operation.name, 0.0)
        self.cost(operation.name)
        if work is not None:
            work()

    def finish(self, stream: int | None = None) -> None:
        """Do all that a stream was given, or all streams: the one last given work first, as none waits for another."""
        with self.lock:
            if stream is None:
                for operation in sorted(self._last.values(), key=lambda one: -one.number):
                    self.run(operation)
                return
            if stream == 0:
                for other in sorted(self._blocking):
                    self.run(self._last.get(other))
            for held in self._waits.get(stream, []):
                self.run(held)
            self.run(self._last.get(stream))

    def forget(self) -> None:
        """Drop all that was given and not done."""
        with self.lock:
            self._last.clear()
            self._waits.clear()

    def idle(self, stream: int) -> bool:
        """Whether a stream has nothing left to do."""
        last = self._last.get(stream)
        return last is None or last.done

    def pending(self) -> list[str]:
        """Names of what was given and not done, in order; a test asks for it at its end."""
        with self.lock:
            left: dict[int, str] = {}
            waiting = [one for one in self._last.values() if not one.done]
            while waiting:
                one = waiting.pop()
                if not one.done:
                    left[one.number] = one.name
                    waiting += one.after
            return [left[number] for number in sorted(left)]

    @contextmanager
    def captured(self, stream: int) -> Iterator[list[tuple[str, Work]]]:
        """Within, what is given to the stream is kept in the list instead."""
        self.begin_capture(stream)
        try:
            yield self._capturing[stream]
        finally:
            self.end_capture(stream)

    def begin_capture(self, stream: int) -> None:
        """Keep what is given to the stream from now on."""
        self._capturing[stream] = []

    def end_capture(self, stream: int) -> list[tuple[str, Work]]:
        """What was kept since `begin_capture`."""
        return self._capturing.pop(stream)

    def capturing(self, stream: int) -> bool:
        """Whether the stream keeps what it is given."""
        return stream in self._capturing


class Recorded:
    """What an event remembers: the operation that it marks, and the time at which that was done."""

    def __init__(self) -> None:
        self.operation: Operation | None = None
        self.time: float | None = None

    def mark(self, queue: Queue, stream: int) -> None:
        """Record on a stream."""
        self.time = None

        def happen() -> None:
            self.time = queue.clock

        self.operation = queue.give(stream, "event", happen)

    def state(self) -> Any:
        """None if never recorded, else whether it happened."""
        return None if self.operation is None else self.operation.done
