"""numba.cuda programs on the interpreter: host code runs as it is, its kernels run as the PTX that numba makes of them.

    with InterpretedDevice().installed() as device:
        my_host_entry(device.array(values), …)

Within, `kernel[blocks, threads](…)` compiles for the chosen GPU and interprets; `cuda.device_array` gives memory whose
contents count as unwritten, `cuda.to_device` a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

import numpy as np
from cuda_helpers.offline import Launch, compile_offline

from ptx.launching import Buffer, Options, Report, bytes_of, run_kernel
from ptx.linker import load_program
from ptx.program import Program


class DeviceArray(np.ndarray):
    """A NumPy array that stands for an array of the device."""

    written: np.ndarray | None = None
    """(bytes,) bool of the array, which its slices share through `root`."""
    root: DeviceArray | None = None

    def __array_finalize__(self, source: Any) -> None:
        root = getattr(source, "root", None)
        self.root = root if root is not None and np.may_share_memory(root, self) else None

    def mark(self) -> None:
        """All of it counts as written, by the host."""
        buffer = self.buffer()
        buffer.written[:] = True

    def buffer(self) -> Buffer:
        """The array with the part of `written` that belongs to it."""
        plain = np.asarray(self)
        if self.root is None or self.root.written is None:
            return Buffer(plain, np.ones(plain.nbytes, np.bool_))
        start = self.ctypes.data - self.root.ctypes.data
        return Buffer(plain, self.root.written[start : start + plain.nbytes])

    def copy_to_host(self, array: np.ndarray | None = None) -> np.ndarray:
        """What host code reads: a copy, or `array` filled."""
        if array is None:
            return np.array(self, subok=False)
        array[...] = self
        return array

    def copy_to_device(self, array: np.ndarray) -> None:
        """Fill it from the host."""
        self[...] = array

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, value)
        part: Any = self[index]
        if self.root is not None:
            (part if isinstance(part, DeviceArray) and part.flags.c_contiguous else self).mark()


def device_array(shape: Any, dtype: Any = np.float64, *, written: bool = False) -> DeviceArray:
    """New memory of the device, filled with bytes that make no sense."""
    array = np.empty(shape, dtype).view(DeviceArray)
    if array.nbytes:
        bytes_of(array.view(np.ndarray))[:] = 0xA5
    array.root = array
    array.written = np.full(array.nbytes, written)
    return array


def pinned_array(shape: Any, dtype: Any = np.float64) -> np.ndarray:
    """Memory of the host, filled with bytes that make no sense."""
    array = np.empty(shape, dtype)
    array.reshape(-1).view(np.uint8)[:] = 0xA5
    return array


def to_device(values: np.ndarray) -> DeviceArray:
    """A copy in the memory of the device."""
    array = device_array(np.shape(values), np.asarray(values).dtype, written=True)
    np.asarray(array)[...] = values
    return array


@dataclass(frozen=True)
class Launched:
    """A launch that was made: the kernel's name, and what it did."""

    name: str
    report: Report


class InterpretedDevice:
    """A GPU made of the interpreter; compiled kernels are kept.

    Parameters
    ----------
    capability : compute capability that is compiled for
    options : of every launch
    """

    def __init__(self, capability: tuple[int, int] = (9, 0), options: Options | None = None) -> None:
        self.capability = capability
        self.options = options or Options()
        self.launches: list[Launched] = []
        self.programs: dict[tuple[Any, ...], Program] = {}

    def program(self, kernel: Any, types: tuple[Any, ...]) -> Program:
        """A kernel compiled for argument types."""
        key = (kernel.py_func, types)
        if key not in self.programs:
            text = compile_offline(Launch(kernel, types), [self.capability])[self.capability]
            self.programs[key] = load_program(text)
        return self.programs[key]

    def launch(self, kernel: Any, configuration: tuple[Any, ...], arguments: tuple[Any, ...]) -> None:
        """kernel[configuration](*arguments)."""
        grid, block, _, shared = (*configuration, 0, 0)[:4]
        plain = tuple(_plain(argument) for argument in arguments)
        program = self.program(kernel, tuple(map(kernel.typeof_pyval, plain)))
        options = replace(self.options, dynamic_shared=int(shared))
        report = run_kernel(program, grid, block, [_buffered(argument) for argument in arguments], options)
        self.launches.append(Launched(kernel.py_func.__name__, report))

    @contextmanager
    def installed(self) -> Iterator[InterpretedDevice]:
        """Within, launches of numba's kernels come here, and device arrays are those of this file."""
        from numba import cuda
        from numba.cuda.dispatcher import CUDADispatcher

        def configured(kernel: Any, configuration: Any) -> Callable[..., None]:
            return lambda *arguments: self.launch(kernel, configuration, arguments)

        with (
            mock.patch.object(CUDADispatcher, "__getitem__", configured),
            mock.patch.object(cuda, "device_array", device_array),
            mock.patch.object(cuda, "device_array_like", lambda like: device_array(like.shape, like.dtype)),
            mock.patch.object(cuda, "to_device", to_device),
            mock.patch.object(cuda, "pinned_array", pinned_array),
            mock.patch.object(cuda, "synchronize", lambda: None),
        ):
            yield self


def _plain(argument: Any) -> Any:
    """What numba is shown to find the type of an argument."""
    if isinstance(argument, tuple):
        members = [_plain(member) for member in argument]
        return type(argument)(*members) if hasattr(argument, "_fields") else tuple(members)
    return np.asarray(argument) if isinstance(argument, np.ndarray) else argument


def _buffered(argument: Any) -> Any:
    if isinstance(argument, DeviceArray):
        return argument.buffer()
    return tuple(map(_buffered, argument)) if isinstance(argument, tuple) else argument
