"""An NVIDIA GPU through CuPy: memory, copies, streams, events; one GPU per rank, bound before anything else.

Only ranks of a case on "cuda" import this module: the launcher detects by devices/cuda_driver.py.
All work goes to the primary context and, unless a stream is named, to the legacy default stream: CuPy, numba.cuda and
NCCL then see the same order.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.core.errors import DeviceError
from clustermark.devices import cuda_driver
from clustermark.devices.health import Health

Array = npt.NDArray[Any]
_L2_CACHE_SIZE = "L2CacheSize"
_PINNED = "PinnedMemoryPointer"


def gpu_index(local_rank: int, count: int) -> int:
    """The GPU of a rank among the `count` that its process is shown: one that the scheduler chose is always 0."""
    return local_rank % count


class CudaDevice:
    """The GPU of this rank; arrays are CuPy's.

    Parameters
    ----------
    local_rank : of this rank on its node; it takes that GPU of those that it is shown, round and round

    Attributes
    ----------
    index : of the GPU among those that this process is shown
    gpu : what the driver says about it
    health : its NVML readings
    """

    name = "cuda"
    asynchronous = True

    def __init__(self, local_rank: int) -> None:
        """Bind. Raises DeviceError if this process has made a context on another GPU before."""
        cupy: Any = import_module("cupy")
        self.local_rank = local_rank
        self._runtime: Any = cupy.cuda.runtime
        self.index = gpu_index(local_rank, self._runtime.getDeviceCount())
        others = [index for index in cuda_driver.active_contexts() if index != self.index]
        if others:
            raise DeviceError(
                f"device 'cuda': this process used GPU {others[0]} before it was bound to GPU {self.index}; let "
                f"nothing call CUDA before the rank is bound (a plug-in that does so at import is the usual reason)"
            )
        self._device: Any = cupy.cuda.Device(self.index)
        self._device.use()
        self._cupy: Any = cupy
        self.gpu = cuda_driver.driver().gpus[self.index]
        self.health = Health(self.gpu.uuid, self.gpu.pci)
        self._flushed: Any = None

    @property
    def capability(self) -> tuple[int, int]:
        """Compute capability: (9, 0) on H100."""
        text = str(self._device.compute_capability)
        return int(text[:-1]), int(text[-1])

    def facts(self) -> dict[str, Any]:
        """What decides whether figures of this GPU may be compared with others'."""
        return {
            "name": self.gpu.name,
            "capability": ".".join(map(str, self.gpu.capability)),
            "memory_gib": round(self.gpu.memory / 2**30, 1),
            "cuda_driver": self._runtime.driverGetVersion(),
            "cuda_runtime": self._runtime.runtimeGetVersion(),
            "cupy": self._cupy.__version__,
            "numba_cuda": cuda_driver.package_version("numba-cuda"),
            **self.health.facts(),
        }

    def place(self) -> dict[str, Any]:
        """Which of a node's GPUs this rank has; never fingerprinted."""
        return {
            "index": self.index,
            "uuid": self.gpu.uuid,
            "pci": self.gpu.pci,
            "numa_node": cuda_driver.numa_node(self.gpu.pci),
        }

    def free(self) -> int:
        """[B] of the GPU's memory that nobody has."""
        return int(self._device.mem_info[0])

    def empty(self, shape: tuple[int, ...], dtype: str) -> Any:
        """Zero-filled array in C order; the fill is on the default stream."""
        return self._cupy.zeros(shape, dtype=dtype)

    def from_host(self, array: Array) -> Any:
        """A contiguous copy on the GPU; `array` may be changed when this returns."""
        copy = self._cupy.empty(array.shape, dtype=array.dtype)
        copy.set(np.ascontiguousarray(array))
        self.synchronize()
        return copy

    def to_host(self, array: Any) -> Array:
        """A copy in host memory, of what all work given before leaves in it."""
        self.synchronize()
        return self._cupy.asnumpy(array)

    def synchronize(self) -> None:
        """Wait for all streams of the GPU, numba's and NCCL's too; an error of earlier work is raised here."""
        self._runtime.deviceSynchronize()

    def pinned(self, shape: tuple[int, ...], dtype: str) -> Array:
        """Host array in page-locked memory, zero-filled: the only kind that copies run beside."""
        return import_module("cupyx").zeros_pinned(shape, dtype=dtype)

    def stream(self) -> Any:
        """A stream that does not wait for the default stream, nor the default stream for it."""
        return self._cupy.cuda.Stream(non_blocking=True)

    def event(self, timing: bool = False) -> Any:
        """An event; `timing` makes it one whose distance to another can be taken."""
        return self._cupy.cuda.Event(disable_timing=not timing)

    def milliseconds(self, start: Any, stop: Any) -> float:
        """[ms] on the GPU between two timing events that have both happened."""
        return float(self._cupy.cuda.get_elapsed_time(start, stop))

    def default_stream_waits(self, event: Any) -> None:
        """What the default stream is given from now on waits for an event of another stream."""
        self._cupy.cuda.Stream.null.wait_event(event)

    def timer(self) -> CudaTimer:
        """A timer of the default stream."""
        return CudaTimer(self)

    def captured(self, step: Callable[[], object]) -> Callable[[], object]:
        """A call that repeats, as one graph on the current stream, what `step` gives to the GPU.

        `step` must allocate nothing, wait for nothing and leave the current stream as it is; it is called once.
        """
        stream = self._cupy.cuda.Stream(non_blocking=True)
        with stream:
            stream.begin_capture()
            try:
                step()
            finally:
                graph = stream.end_capture()
        return graph.launch

    def copy_async(self, destination: Any, source: Any, stream: Any) -> None:
        """Copy between two arrays on a stream and return at once; neither may be touched until the stream has done it.

        Raises
        ------
        ValueError : sizes differ, an array is not C-contiguous, or a host array is not pinned
        """
        if destination.nbytes != source.nbytes:
            raise ValueError(f"copies {source.nbytes} B into {destination.nbytes} B")
        ends = []
        for array in (destination, source):
            if not array.flags.c_contiguous:
                raise ValueError("asynchronous copies need C-contiguous arrays")
            host = isinstance(array, np.ndarray)
            if host and not is_pinned(array):
                raise ValueError("asynchronous copies need pinned host memory: take it from `pinned`")
            ends.append((array.ctypes.data if host else self.pointer(array), host))
        (to, to_host), (start, from_host) = ends
        kinds = {
            (False, True): self._runtime.memcpyHostToDevice,
            (True, False): self._runtime.memcpyDeviceToHost,
            (False, False): self._runtime.memcpyDeviceToDevice,
        }
        if (to_host, from_host) not in kinds:
            raise ValueError("copies from host to host are not the GPU's")
        self._runtime.memcpyAsync(to, start, source.nbytes, kinds[to_host, from_host], stream.ptr)

    def pointer(self, array: Any) -> int:
        """Address of the first element in the GPU's memory."""
        return int(array.data.ptr)

    def flush_l2(self) -> None:
        """Write over twice the size of the L2 cache on the default stream: what a step will read comes from memory."""
        if self._flushed is None:
            size = 2 * int(self._device.attributes[_L2_CACHE_SIZE])
            self._flushed = self._cupy.zeros(max(size, 1), dtype="uint8")
        self._runtime.memsetAsync(self.pointer(self._flushed), 0, self._flushed.nbytes, 0)


class CudaTimer:
    """Two events on the default stream; it waits for blocking streams, so their work is between the marks too."""

    def __init__(self, device: CudaDevice) -> None:
        """Make the events."""
        self._device = device
        self._begin, self._end = device.event(timing=True), device.event(timing=True)
        self.start, self.stop = self._begin.record, self._end.record

    def seconds(self) -> float:
        """[s] between the marks."""
        return 1e-3 * self._device.milliseconds(self._begin, self._end)


def is_pinned(array: Array) -> bool:
    """Whether a NumPy array lies in memory that CuPy has page-locked."""
    owner: Any = array
    while owner is not None:
        if type(owner).__name__ == _PINNED:
            return True
        owner = getattr(owner, "obj", None) if isinstance(owner, memoryview) else getattr(owner, "base", None)
    return False


def open_cuda(local_rank: int) -> CudaDevice:
    """Bind this rank to its GPU; raises DeviceError where that fails."""
    try:
        return CudaDevice(local_rank)
    except ImportError as error:
        raise DeviceError(
            f"device 'cuda': CuPy cannot be imported ({error}); pip install --force-reinstall 'clustermark[cuda13]'"
        ) from error
