"""The host's own cores and memory."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class CpuDevice:
    """NumPy arrays in host memory; nothing is asynchronous."""

    name = "cpu"
    asynchronous = False

    def empty(self, shape: tuple[int, ...], dtype: str) -> Array:
        """Zero-filled array in C order: the fill touches every page, so that no sample pays for it."""
        array = np.empty(shape, dtype=dtype)
        array.fill(0)
        return array

    def from_host(self, array: Array) -> Array:
        """A contiguous copy."""
        return np.array(array, order="C", copy=True)

    def to_host(self, array: Array) -> Array:
        """The array itself."""
        return array

    def synchronize(self) -> None:
        """Nothing to wait for."""
