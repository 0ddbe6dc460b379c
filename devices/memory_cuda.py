"""Arrays of an application on the GPU, through numba.cuda: the methods of memory.HostMemory (which see).

Everything goes through the legacy default stream of the primary context, in the order of its calls: a kernel sees what
the calls before it have done, and a copy to the host returns when it is complete.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.core.errors import DeviceError
from clustermark.devices.launch_cuda import launch
from clustermark.devices.numba_cuda import cuda, why_not

Array = npt.NDArray[Any]
# Threads of a block.
THREADS = 128


def _blocks(threads: int) -> int:
    return -(-int(threads) // THREADS)


@cuda.jit(cache=True)
def clear(values, size):
    """values[k] = 0 for k < size."""
    k = cuda.grid(1)
    if k < size:
        values[k] = 0


@cuda.jit(cache=True)
def convert(source, size, target):
    """target[k] = source[k] for k < size, in the dtype of the target."""
    k = cuda.grid(1)
    if k < size:
        target[k] = source[k]


class StagedBuffer:
    """A message on the device, and its copy in pinned memory of the host, which MPI is given."""

    def __init__(self, array: Any, wire: Array | None = None) -> None:
        """A message in `array`; its copy is made here where none is given."""
        self.array = array
        self.wire = cuda.pinned_array(array.shape, array.dtype) if wire is None else wire

    def to_wire(self) -> Any:
        """The host's copy, made now; waits for the kernels that fill the message."""
        if self.array.size:
            self.array.copy_to_host(self.wire)
        return self.wire

    def to_fill(self) -> Any:
        """The host's copy: what `from_wire` took out of it is on the device when that returns."""
        return self.wire

    def from_wire(self) -> Any:
        """The device's copy, made now."""
        if self.array.size:
            self.array.copy_to_device(self.wire)
        return self.array

    def part(self, begin: int, end: int) -> StagedBuffer:
        """Views of both copies."""
        return StagedBuffer(self.array[begin:end], self.wire[begin:end])


class DeviceBuffer:
    """A message on the device that MPI reads and writes there; the MPI must be CUDA-aware."""

    def __init__(self, array: Any) -> None:
        """A message in `array`."""
        self.array = self.wire = array

    def to_wire(self) -> Any:
        """The array when kernels have filled it: MPI knows nothing of the stream."""
        cuda.synchronize()
        return self.wire

    def to_fill(self) -> Any:
        """The array when kernels have read it."""
        cuda.synchronize()
        return self.wire

    def from_wire(self) -> Any:
        """The array itself."""
        return self.array

    def part(self, begin: int, end: int) -> DeviceBuffer:
        """A view."""
        return DeviceBuffer(self.array[begin:end])


class DeviceMemory:
    """Memory of kernels that run on the GPU that is bound."""

    name = "cuda"

    def __init__(self, direct: bool = False) -> None:
        """`direct` hands messages to MPI where they are, else they are staged through the host.

        Raises
        ------
        DeviceError : numba.cuda is not that of numba-cuda
        """
        if reason := why_not():
            raise DeviceError(f"device 'cuda': numba.cuda {reason}")
        self._buffer: Any = DeviceBuffer if direct else StagedBuffer
        self._kept: dict[int, tuple[Array, Any]] = {}

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Zeros; an allocation begins at a multiple of 256 bytes."""
        array = cuda.device_array(shape, np.dtype(dtype))
        self.clear(array.reshape(-1) if array.ndim > 1 else array, array.size)
        return array

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An allocation."""
        return cuda.device_array(shape, np.dtype(dtype))

    def host(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Page-locked memory."""
        return cuda.pinned_array(shape, np.dtype(dtype))

    def from_host(self, array: Array) -> Any:
        """A copy on the device."""
        return cuda.to_device(np.ascontiguousarray(array))

    def kept(self, array: Array) -> Any:
        """The copy that was made when the array was first met; the array is held, so that no other takes its id."""
        if id(array) not in self._kept:
            self._kept[id(array)] = (array, self.from_host(array))
        return self._kept[id(array)][1]

    def to_host(self, array: Any) -> Array:
        """A copy on the host; waits for the kernels that write the array."""
        return array.copy_to_host()

    def beside(self, array: Array) -> Any:
        """An array of the same shape and dtype on the device, not filled."""
        return cuda.device_array(array.shape, array.dtype)

    def fetch(self, written: Any, array: Array) -> None:
        """Copy to the host; waits for the kernels that write `written`."""
        if array.size:
            written.copy_to_host(array)

    def send(self, array: Array, target: Any) -> None:
        """Copy to the device."""
        if array.size:
            target.copy_to_device(np.ascontiguousarray(array))

    def copy(self, array: Any) -> Any:
        """A copy on the device, which the host does not see."""
        copied = cuda.device_array(array.shape, array.dtype)
        copied.copy_to_device(array)
        return copied

    def clear(self, array: Any, size: int) -> None:
        """Zeros, by a kernel."""
        if size:
            launch(clear, _blocks(size), THREADS)(array, int(size))

    def convert(self, source: Any, size: int, target: Any) -> None:
        """A copy, by a kernel."""
        if size:
            launch(convert, _blocks(size), THREADS)(source, size, target)

    def buffer(self, size: int, dtype: Any) -> Any:
        """A message, staged or direct."""
        return self._buffer(cuda.device_array(size, np.dtype(dtype)))

    def synchronize(self) -> None:
        """Wait for the device."""
        cuda.synchronize()
