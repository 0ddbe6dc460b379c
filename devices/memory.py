"""Where the arrays that kernels work on live, as an application needs it: made, filled, read, sent.

`HostMemory` is for kernels of the CPU: nothing is copied, a host array and its counterpart are one object. For those of
the GPU it is `DeviceMemory` (memory_cuda.py), with the same methods. An application is given one of them when it
starts and asks no more which it is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Zeros = Callable[[tuple[int, ...], Any], Array]


class Buffer(Protocol):
    """The memory of messages: what kernels fill or read, and what is given to MPI.

    Attributes
    ----------
    array : (n,) for kernels
    wire : (n,) for MPI; may be the same array
    """

    array: Any
    wire: Any

    def to_wire(self) -> Any:
        """`wire` with what kernels have put into `array`, all of it written."""
        ...

    def to_fill(self) -> Any:
        """`wire` for MPI to receive into, when kernels have read what stood there."""
        ...

    def from_wire(self) -> Any:
        """`array` with what MPI has put into `wire`."""
        ...

    def part(self, begin: int, end: int) -> Buffer:
        """Some of its elements as a message of their own, in the same memory."""
        ...


class Memory(Protocol):
    """What makes and moves the arrays of an application."""

    name: str

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Array of zeros, aligned as the kernels like it."""
        ...

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """Array whose content means nothing."""
        ...

    def host(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """Array of the host whose content means nothing, in memory that copies well to where kernels work."""
        ...

    def from_host(self, array: Array) -> Any:
        """What kernels read in the place of a host array, which must not change afterwards."""
        ...

    def kept(self, array: Array) -> Any:
        """As `from_host`, copied once for as long as the run lasts: for constants."""
        ...

    def to_host(self, array: Any) -> Array:
        """The array in host memory, to be read only."""
        ...

    def beside(self, array: Array) -> Any:
        """What kernels write in the place of a contiguous host array; `fetch` then brings it."""
        ...

    def fetch(self, written: Any, array: Array) -> None:
        """The host array with what stands in its counterpart of `beside`."""
        ...

    def send(self, array: Array, target: Any) -> None:
        """Fill an array of kernels with a host array of its shape and dtype."""
        ...

    def copy(self, array: Any) -> Any:
        """A copy of a contiguous array, where it is."""
        ...

    def clear(self, array: Any, size: int) -> None:
        """Zeros in the first `size` elements of a flat array."""
        ...

    def convert(self, source: Any, size: int, target: Any) -> None:
        """The first `size` elements of a flat array into another, in its dtype."""
        ...

    def buffer(self, size: int, dtype: Any) -> Buffer:
        """Memory of a message."""
        ...

    def synchronize(self) -> None:
        """Wait until the kernels have done all that they were given."""
        ...


class HostBuffer:
    """A message that kernels and MPI share."""

    def __init__(self, array: Array) -> None:
        """One array for both."""
        self.array = self.wire = array

    def to_wire(self) -> Array:
        """The array itself."""
        return self.wire

    def to_fill(self) -> Array:
        """The array itself."""
        return self.wire

    def from_wire(self) -> Array:
        """The array itself."""
        return self.array

    def part(self, begin: int, end: int) -> HostBuffer:
        """A view."""
        return HostBuffer(self.array[begin:end])


def _zeros(shape: tuple[int, ...], dtype: Any) -> Array:
    return np.zeros(shape, dtype)


class HostMemory:
    """Memory of kernels that run on the host's cores."""

    name = "cpu"

    def __init__(self, zeros: Zeros = _zeros) -> None:
        """`zeros` makes aligned arrays."""
        self._zeros = zeros

    def zeros(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """As the application aligns them."""
        return self._zeros(shape, dtype)

    def empty(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """np.empty."""
        return np.empty(shape, dtype)

    def host(self, shape: tuple[int, ...], dtype: Any) -> Array:
        """np.empty."""
        return np.empty(shape, dtype)

    def from_host(self, array: Array) -> Array:
        """The array itself."""
        return array

    def kept(self, array: Array) -> Array:
        """The array itself."""
        return array

    def to_host(self, array: Array) -> Array:
        """The array itself."""
        return array

    def beside(self, array: Array) -> Array:
        """The array itself."""
        return array

    def fetch(self, written: Array, array: Array) -> None:
        """Nothing to bring: both are one."""

    def send(self, array: Array, target: Array) -> None:
        """A copy."""
        target[...] = array

    def copy(self, array: Array) -> Array:
        """A copy."""
        return array.copy()

    def clear(self, array: Array, size: int) -> None:
        """Zeros."""
        array[:size] = 0

    def convert(self, source: Array, size: int, target: Array) -> None:
        """A copy."""
        target[:size] = source[:size]

    def buffer(self, size: int, dtype: Any) -> HostBuffer:
        """Zeros."""
        return HostBuffer(np.zeros(size, dtype))

    def synchronize(self) -> None:
        """Nothing to wait for."""
