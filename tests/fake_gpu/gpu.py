"""The fake GPU: what it is, what was called, and what goes wrong on purpose.

    with FakeGpu(count=2).installed() as gpu:
        import cupy                    # the fake
        …
    assert gpu.names() == […]          # every call, in its order
    assert gpu.contexts == {1}         # GPUs that were touched
    assert gpu.pending() == []         # nothing was given and never waited for

Its work is done as late as CUDA's rules allow (streams.py), so that code which reads too early reads stale data.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np

from fake_gpu.arrays import FakeArray
from fake_gpu.errors import CUDARuntimeError, OutOfMemoryError
from fake_gpu.kernels import Interpreter, Runner
from fake_gpu.memory import Allocation, BaseMemory, Memory
from fake_gpu.nccl import SoloWire
from fake_gpu.streams import Operation, Queue

# Calls that only ask and make no context.
_ASKING = """
    getDeviceCount getDevice driverGetVersion runtimeGetVersion deviceGetAttribute getDeviceProperties
    deviceGetPCIBusId deviceCanAccessPeer
"""
ASKING = frozenset(_ASKING.split())


@dataclass(frozen=True)
class Seen:
    """An array as a call was given it: where it begins, its shape and type; the call does not keep it alive."""

    address: int
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Call:
    """One call into the fake.

    Attributes
    ----------
    name : "memcpyAsync", "kernel:axpy", …
    stream : number of the stream that it was given to, 0 for the default stream
    device : index of the GPU
    arguments : as given, arrays as `Seen`
    """

    name: str
    stream: int
    device: int
    arguments: tuple[Any, ...] = ()


class FakeGpu:
    """One node's GPUs, all alike.

    Parameters
    ----------
    count, name, capability, memory : of the GPUs; [B] of each
    cuda : version that the driver serves
    runner : runs kernels; the PTX interpreter unless given
    """

    def __init__(
        self,
        count: int = 1,
        name: str = "Fake H100",
        capability: tuple[int, int] = (9, 0),
        memory: int = 1 << 30,
        cuda: tuple[int, int] = (13, 0),
        runner: Runner | None = None,
    ) -> None:
        self.count, self.name, self.capability, self.total, self.cuda = count, name, capability, memory, cuda
        self.interpreter = Interpreter()
        self.run_kernel: Runner = runner or self.interpreter
        self.memory = Memory()
        self.wire: Any = SoloWire()  # between the ranks of NCCL's communicators
        self.calls: list[Call] = []
        self.contexts: set[int] = set()
        self.modules: dict[str, Any] = {}
        self.on_done: Callable[[str], object] = lambda name: None
        self._queues = [Queue(self._done) for _ in range(count)]
        self._owners: dict[int, int] = dict.fromkeys(range(1), 0)
        self._streams = 0
        self._own = threading.local()
        self._lost = ""
        self._lost_after = -1

    # --- what tests ask ---

    def names(self) -> list[str]:
        """Names of the calls, without those that only ask."""
        return [call.name for call in self.calls if call.name not in ASKING]

    def pending(self) -> list[str]:
        """Work that was given and that nobody has waited for."""
        return [name for queue in self._queues for name in queue.pending()]

    def lose(self, error: str = "cudaErrorLaunchFailure", after: int = 0) -> None:
        """From `after` more calls on, every call fails with this error, as a GPU that fell off the bus does."""
        self._lost, self._lost_after = error, len(self.calls) + after

    def forget(self) -> None:
        """Drop all work that waits, as the end of a process does."""
        for queue in self._queues:
            queue.forget()
        self.modules["cupy.cuda.nccl"]._forget()

    # --- what the stand-ins use ---

    def _done(self, name: str) -> None:
        self.on_done(name)

    @property
    def device(self) -> int:
        """The GPU that this thread is bound to."""
        return getattr(self._own, "device", 0)

    @device.setter
    def device(self, index: int) -> None:
        if not 0 <= index < self.count:
            raise CUDARuntimeError("cudaErrorInvalidDevice" if self.count else "cudaErrorNoDevice")
        self._own.device = index

    def record(self, name: str, stream: int = 0, *arguments: Any) -> None:
        """Write a call down; raises what a GPU that is lost raises."""
        self.calls.append(Call(name, stream, self.device, tuple(map(_seen, arguments))))
        if self._lost and len(self.calls) > self._lost_after:
            raise CUDARuntimeError(self._lost)
        if not self.count:
            raise CUDARuntimeError("cudaErrorNoDevice")
        if name not in ASKING:
            self.contexts.add(self.device)

    def new_stream(self, non_blocking: bool) -> int:
        """Number of a new stream on this thread's GPU."""
        self._streams += 1
        self._owners[self._streams] = self.device
        self._queues[self.device].add_stream(self._streams, non_blocking)
        return self._streams

    def queue(self, stream: int) -> Queue:
        """The queue that a stream belongs to."""
        return self._queues[self._owners[stream] if stream else self.device]

    def current_stream(self) -> int:
        """The stream that this thread works on."""
        stack = getattr(self._own, "streams", None)
        return stack[-1] if stack else 0

    def use_stream(self, stream: int) -> None:
        """Work on a stream from now on."""
        self._own.streams = [stream]

    def push_stream(self, stream: int) -> None:
        """Work on a stream until `pop_stream`."""
        self._own.streams = [*getattr(self._own, "streams", []), stream]

    def pop_stream(self) -> None:
        """Back to the stream before."""
        self._own.streams = self._own.streams[:-1]

    def stream_of(self, stream: Any) -> int:
        """Number of a stream object, of a number, or the current stream for None."""
        if stream is None:
            return self.current_stream()
        return int(stream if isinstance(stream, int) else stream.ptr)

    def give(self, stream: int, name: str, work: Callable[[], object] | None) -> Operation:
        """Work for a stream."""
        return self.queue(stream).give(stream, name, work)

    def synchronize(self, device: int | None = None) -> None:
        """Do all that the GPU was given."""
        self._queues[self.device if device is None else device].finish()

    def allocate(self, size: int) -> Allocation:
        """Memory of this thread's GPU."""
        self.record("malloc", 0, size)
        if self.memory.used + size > self.total:
            raise OutOfMemoryError(size, self.memory.used)
        return self.memory.allocate("device", size, self.device)

    def empty(self, shape: Any, dtype: Any = float, order: Any = "C") -> FakeArray:
        """A new array, filled with bytes that make no sense."""
        kind = np.dtype(dtype)
        shape = (int(shape),) if isinstance(shape, int | np.integer) else tuple(int(s) for s in shape)
        size = int(np.prod(shape, dtype=np.int64)) * kind.itemsize
        memory = self.allocate(size)
        return FakeArray(self, memory, np.ndarray(shape, kind, memory.data.data, order=order))

    def wrap(self, allocation: Allocation) -> BaseMemory:
        """An allocation as CuPy's memory object."""
        return BaseMemory(allocation)

    def computed(self, name: str, function: Callable[..., Any], *arguments: Any, out: Any = None) -> FakeArray:
        """A new array that a stream will fill with function(*arguments); shape and type come from a rehearsal."""
        if out is None:
            with np.errstate(all="ignore"):
                rehearsal = np.asarray(function(*map(_now, arguments)))
            out = self.empty(rehearsal.shape, rehearsal.dtype)
        self.changes(name, out, lambda target, *given: np.copyto(target, function(*given)), *arguments)
        return out

    def changes(
        self, name: str, target: FakeArray, function: Callable[..., object], *arguments: Any, stream: int | None = None
    ) -> None:
        """Give work that writes `target`; host arrays among the arguments are taken as they are now."""
        where = self.current_stream() if stream is None else stream
        self.record(name, where, target, *arguments)
        for argument in arguments:
            if isinstance(argument, np.ndarray) and argument.ndim:
                raise TypeError(f"Unsupported type {type(argument)}")
        kept = tuple(arguments)

        def work() -> None:
            function(target.view_now, *map(_now, kept))
            self.mark(target)

        self.give(where, name, work)

    def mark(self, array: FakeArray) -> None:
        """The elements of an array count as written."""
        view = array.view_now
        first = view.ctypes.data - array.allocation.ptr
        flags = np.lib.stride_tricks.as_strided(
            array.allocation.written[first:], (*view.shape, view.itemsize), (*view.strides, 1)
        )
        flags[...] = True

    @contextmanager
    def installed(self) -> Iterator[FakeGpu]:
        """Within, `import cupy` gives the fake, and the driver shows these GPUs."""
        from clustermark.devices import cuda_driver
        from fake_gpu.module import make_modules

        self.modules = make_modules(self)
        shown = cuda_driver.Driver(True, "", self.cuda, tuple(self._shown(index) for index in range(self.count)))
        with (
            _imported_as(self.modules),
            mock.patch.object(cuda_driver, "driver", lambda: shown),
            mock.patch.object(cuda_driver, "active_contexts", lambda: tuple(sorted(self.contexts))),
            mock.patch.object(cuda_driver, "installed_cupy", lambda: {f"cupy-cuda{self.cuda[0]}x": "14.2.0"}),
            mock.patch.object(cuda_driver, "cupy_importable", lambda: True),
        ):
            yield self

    def _shown(self, index: int) -> Any:
        from clustermark.devices.cuda_driver import Gpu

        pci = f"0000:{0x17 + index:02x}:00.0"
        return Gpu(index, self.name, self.capability, self.total, pci, f"GPU-{index:08d}-0000-0000-0000-000000000000")


@contextmanager
def _imported_as(modules: dict[str, Any]) -> Iterator[None]:
    """Within, these names are imported as these modules; what else is imported meanwhile stays."""
    before = {name: sys.modules.get(name) for name in modules}
    sys.modules.update(modules)
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


def _seen(argument: Any) -> Any:
    if isinstance(argument, FakeArray):
        return Seen(argument.view_now.ctypes.data, argument.shape, str(argument.dtype))
    if isinstance(argument, np.ndarray):
        return Seen(argument.ctypes.data, argument.shape, str(argument.dtype))
    return argument


def _now(argument: Any) -> Any:
    return argument.view_now if isinstance(argument, FakeArray) else argument
