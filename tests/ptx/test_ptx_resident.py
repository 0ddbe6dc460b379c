"""The device whose memory is apart: what a program may not do with it is an error, what it does is written down."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba.cuda.dispatcher", reason="numba-cuda is not installed: make test CUDA=1")

import numba.cuda
from numba.cuda.cudadrv.devicearray import DeviceNDArray

from clustermark.devices.memory_cuda import DeviceMemory, clear
from ptx.resident import (
    ELEMENT,
    ON_DEVICE,
    TO_DEVICE,
    TO_HOST,
    HiddenTransferError,
    ResidentArray,
    ResidentDevice,
    StaleMemoryError,
)

cuda: Any = numba.cuda
DEVICE = ResidentDevice((9, 0))


@pytest.fixture(autouse=True)
def device() -> Iterator[ResidentDevice]:
    DEVICE.transfers.clear()
    with DEVICE.installed() as installed:
        yield installed


def test_open_copies_are_written_down_and_nothing_else_is_one(device: ResidentDevice) -> None:
    memory = DeviceMemory()
    array = memory.from_host(np.arange(6.0))
    copied = memory.copy(array[2:])
    memory.clear(array, 3)
    assert memory.to_host(array).tolist() == [0, 0, 0, 3, 4, 5]
    assert memory.to_host(copied).tolist() == [2, 3, 4, 5]
    assert int(array[4]) == 4
    moved = [(transfer.kind, transfer.bytes) for transfer in device.transfers]
    assert moved == [(TO_DEVICE, 48), (ON_DEVICE, 32), (TO_HOST, 48), (TO_HOST, 32), (ELEMENT, 8)]


def assign(array: Any) -> None:
    array[:] = 0


HIDDEN: dict[str, Callable[[Any], object]] = {
    "used as an array of the host": np.asarray,
    "summed by NumPy": np.sum,
    "assigned to": assign,
    "a host array given to a kernel": lambda array: clear[1, 128](np.zeros(4), 4),
}


@pytest.mark.parametrize("mistake", HIDDEN)
def test_a_hidden_transfer_is_an_error(mistake: str) -> None:
    array = cuda.to_device(np.ones(4))
    with pytest.raises(HiddenTransferError):
        HIDDEN[mistake](array)


def test_bringing_what_nothing_wrote_is_an_error() -> None:
    array = cuda.device_array(200, np.float32)
    clear[1, 128](array[:128], 128)
    with pytest.raises(StaleMemoryError, match="288 of 800 bytes"):
        array.copy_to_host()
    assert not array[:128].copy_to_host().any()


def test_copies_between_unlike_arrays_are_refused() -> None:
    array = cuda.device_array(4, np.float32)
    for other in (np.zeros(4), np.zeros(3, np.float32), np.zeros(8, np.float32)[::2]):
        with pytest.raises(AssertionError, match="incompatible"):
            array.copy_to_device(other)


def test_kernels_are_waited_for_by_copies_to_the_host_and_by_synchronising(device: ResidentDevice) -> None:
    array = cuda.device_array(4, np.float32)
    for wait in (array.copy_to_host, cuda.synchronize):
        clear[1, 128](array, array.size)
        assert device.busy
        wait()
        assert not device.busy


def test_what_it_can_do_numbas_arrays_can_with_the_same_arguments() -> None:
    own = [name for name, value in vars(ResidentArray).items() if inspect.isfunction(value) and name[:1] != "_"]
    assert {"copy_to_host", "copy_to_device", "reshape", "view"} == set(own)
    for name in own:
        here, real = (list(inspect.signature(getattr(c, name)).parameters) for c in (ResidentArray, DeviceNDArray))
        assert here == real[: len(here)]
    for name in ("shape", "dtype", "size", "ndim", "nbytes", "strides"):
        assert hasattr(DeviceNDArray, name) or name in inspect.getsource(DeviceNDArray.__mro__[1].__init__)
