"""A GPU whose memory is apart from the host's: whole programs on the interpreter, and every transfer written down.

`InterpretedDevice` lets the host read and write its arrays as it likes. Here an array of the device is no NumPy array:
what numba would copy behind a program's back (an assignment, a conversion, a host array among the arguments of a
kernel) is an error, and so is bringing what nothing wrote; what a program copies openly is in `transfers`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np

from ptx.device import DeviceArray, InterpretedDevice, device_array

TO_HOST, TO_DEVICE, ON_DEVICE, ELEMENT = "to host", "to device", "on device", "element to host"


class HiddenTransferError(Exception):
    """Host and device memory meet where the program does not say so."""


class StaleMemoryError(Exception):
    """What is copied was never written."""


@dataclass(frozen=True)
class Transfer:
    """A copy that a program asked for, and the thread (the rank) that did."""

    kind: str
    bytes: int
    thread: int


class ResidentArray:
    """As much of numba's DeviceNDArray as the applications use."""

    def __init__(self, device: ResidentDevice, memory: DeviceArray) -> None:
        self._device, self._memory = device, memory
        self.shape, self.dtype, self.size, self.ndim = memory.shape, memory.dtype, memory.size, memory.ndim
        self.nbytes, self.strides = memory.nbytes, memory.strides

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise HiddenTransferError(f"an array of the device, {self.shape} × {self.dtype}, is used as one of the host")

    def __setitem__(self, key: Any, value: Any) -> None:
        raise HiddenTransferError(f"the host assigns to an array of the device, {self.shape} × {self.dtype}")

    def __getitem__(self, item: Any) -> Any:
        if self.size == 0:
            raise AttributeError("numba-cuda cannot take a part of an array of no elements: it has no memory")
        part = self._memory[item]
        if not isinstance(part, DeviceArray) or part.ndim == 0:
            self._device.note(ELEMENT, self.dtype.itemsize)
            return self._whole(self._memory[item : item + 1])[0]
        return ResidentArray(self._device, part)

    def reshape(self, *newshape: Any) -> ResidentArray:
        """Another view of the same elements."""
        assert self._memory.flags.c_contiguous, "operation requires copying"
        seen: Any = self._memory.reshape(*newshape)
        return ResidentArray(self._device, seen)

    def view(self, dtype: Any) -> ResidentArray:
        """The same bytes as elements of another type."""
        seen: Any = self._memory.view(dtype)
        return ResidentArray(self._device, seen)

    def copy_to_host(self, ary: Any = None) -> np.ndarray:
        """What the host reads: a copy, or `ary` filled."""
        found = self._whole(self._memory)
        self._device.note(TO_HOST, self.nbytes)
        if ary is None:
            return found
        self._same(ary)
        ary[...] = found
        return ary

    def copy_to_device(self, ary: Any) -> None:
        """Fill it from the host, or from another array of the device."""
        self._same(ary)
        if isinstance(ary, ResidentArray):
            self._device.note(ON_DEVICE, self.nbytes)
            np.asarray(self._memory)[...] = np.asarray(ary._memory)
            self._memory.buffer().written[:] = ary._memory.buffer().written
            return
        self._device.note(TO_DEVICE, self.nbytes)
        np.asarray(self._memory)[...] = ary
        self._memory.mark()

    @property
    def memory(self) -> DeviceArray:
        """What the interpreter is given."""
        return self._memory

    def _same(self, other: Any) -> None:
        packed = self.size == 0 or self.strides == other.strides  # numba asks for no strides of nothing
        assert packed and (self.shape, self.dtype) == (other.shape, other.dtype), (
            f"incompatible arrays: {self.shape} × {self.dtype} and {other.shape} × {other.dtype}"
        )

    def _whole(self, memory: Any) -> np.ndarray:
        written = memory.buffer().written
        if not written.all():
            raise StaleMemoryError(f"{int((~written).sum())} of {written.size} bytes that the host reads are unwritten")
        return np.array(memory, subok=False)


class ResidentDevice(InterpretedDevice):
    """An interpreted GPU whose arrays only kernels and open copies reach.

    Attributes
    ----------
    transfers : all that were made
    busy : threads whose kernels have not been waited for since their last launch
    """

    def __init__(self, *arguments: Any, like: InterpretedDevice | None = None) -> None:
        """`like` shares its compiled kernels and its list of launches."""
        super().__init__(*arguments)
        self.transfers: list[Transfer] = []
        self.busy: set[int] = set()
        self._lock = threading.Lock()
        if like is not None:
            self.capability, self.options = like.capability, like.options
            self.programs, self.launches = like.programs, like.launches
            self.program = like.program

    def note(self, kind: str, size: int) -> None:
        """Write a transfer down; one with the host waits for the kernels."""
        self.transfers.append(Transfer(kind, size, threading.get_ident()))
        if kind != ON_DEVICE:
            self.wait()

    def wait(self) -> None:
        """This thread's kernels are done."""
        self.busy.discard(threading.get_ident())

    def launch(self, kernel: Any, configuration: tuple[Any, ...], arguments: tuple[Any, ...]) -> None:
        """One launch at a time: ranks may be threads."""
        self.busy.add(threading.get_ident())
        with self._lock:
            super().launch(kernel, configuration, tuple(map(_given, arguments)))

    @contextmanager
    def installed(self) -> Iterator[ResidentDevice]:
        """As InterpretedDevice.installed."""
        from numba import cuda

        def empty(shape: Any, dtype: Any = np.float64) -> ResidentArray:
            return ResidentArray(self, device_array(shape, dtype))

        def filled(obj: Any) -> ResidentArray:
            if isinstance(obj, ResidentArray):
                return obj
            array = empty(np.shape(obj), obj.dtype)
            array.copy_to_device(obj)
            return array

        with (
            super().installed(),
            mock.patch.object(cuda, "device_array", empty),
            mock.patch.object(cuda, "to_device", filled),
            mock.patch.object(cuda, "synchronize", self.wait),
        ):
            yield self


def _given(argument: Any) -> Any:
    """An argument as the interpreter wants it; a host array is refused, alone or in a tuple."""
    if isinstance(argument, ResidentArray):
        return argument.memory
    if isinstance(argument, np.ndarray):
        raise HiddenTransferError(f"a host array, {argument.shape} × {argument.dtype}, is given to a kernel")
    if isinstance(argument, tuple):
        members = [_given(member) for member in argument]
        return type(argument)(*members) if hasattr(argument, "_fields") else tuple(members)
    return argument
