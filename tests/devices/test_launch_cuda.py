"""Launches that repeat: the driver is given what numba-cuda would give it, and what is not known goes numba's way."""

from __future__ import annotations

import ctypes
import importlib
import threading
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: make test CUDA=1, or pip install '.[cuda-test]'")


from clustermark.core.errors import DeviceError
from clustermark.devices import launch_cuda, memory_cuda, numba_cuda
from clustermark.devices.launch_cuda import flat, launch

codegen, dispatcher, devicearray, typing, core = (
    importlib.import_module(name)
    for name in (
        *("numba.cuda.codegen", "numba.cuda.dispatcher", "numba.cuda.cudadrv.devicearray"),
        *("numba.cuda.typing.typeof", "cuda.core"),
    )
)
HANDLE = 77


def typeof(value: Any) -> Any:
    """The type that numba gives an argument."""
    return typing.typeof(value, typing.Purpose.argument)


class Table(NamedTuple):
    spacing: float
    values: Any


def on_device(shape: tuple[int, ...], dtype: str, strides: tuple[int, ...] | None = None, address: int = 4096) -> Any:
    """An array that numba takes for one of a GPU; nothing is behind its address."""
    found = np.lib.stride_tricks.as_strided(np.zeros(1, dtype), shape, strides).strides if strides else None
    pointer = SimpleNamespace(device_ctypes_pointer=ctypes.c_void_p(address))
    return devicearray.DeviceNDArray(shape, found or np.empty(shape, dtype).strides, dtype, gpu_data=pointer)


ARGUMENTS: dict[str, Any] = {
    "numbers": (3, 2.5, True, np.float32(0.1), np.float64(7), np.int32(-4), np.int64(5), np.uint32(2**32 - 1)),
    "arrays": (on_device((5,), "float32"), on_device((3, 4), "float64", address=1 << 40), on_device((7,), "bool")),
    "parts of arrays": (on_device((3, 4), "int32", (64, 4)), on_device((6,), "int64", (16,))),
    "tuples": ((0, 0, 0), Table(0.5, on_device((2, 2), "int32")), ((1, 2.0), on_device((9,), "float16"))),
}


def bits(word: Any) -> bytes:
    """The eight bytes that the driver may read of a word."""
    return bytes(word if isinstance(word, ctypes._SimpleCData) else ctypes.c_int64(word)).ljust(8, b"\0")


def of_numba(arguments: Any) -> list[bytes]:
    """What numba-cuda's own method makes of arguments."""
    words: list[Any] = []
    kernel: Any = SimpleNamespace(extensions=[])
    kernel._prepare_args = lambda *rest: dispatcher._Kernel._prepare_args(kernel, *rest)
    for argument in arguments:
        kernel._prepare_args(typeof(argument), argument, 0, [], words)
    return list(map(bits, words))


class Kernel:
    """A kernel that is compiled for the types that it has been launched with."""

    def __init__(self) -> None:
        self.overloads: dict[tuple[Any, ...], Any] = {}
        self.__name__ = "Kernel"
        self.by_numba: list[tuple[Any, ...]] = []

    def typeof_pyval(self, value: Any) -> Any:
        return typeof(value)

    def __getitem__(self, configuration: Any) -> Any:
        def call(*arguments: Any) -> None:
            self.by_numba.append(arguments)
            types = tuple(map(self.typeof_pyval, arguments))
            code = SimpleNamespace(get_cufunc=lambda: SimpleNamespace(kernel=SimpleNamespace(handle=HANDLE)))
            self.overloads[types] = SimpleNamespace(_codelibrary=code)

        return call


class Driver:
    """Reads the arguments of a launch where the driver would."""

    def __init__(self) -> None:
        self.launches: list[tuple[Any, ...]] = []
        self.number = 0
        self.code = 0

    def __call__(self, function: int, *rest: Any) -> int:
        *extent, shared, stream, pointers, options = rest
        places = (ctypes.c_void_p * self.number).from_address(pointers)
        words = [ctypes.string_at(place, 8) for place in places]
        self.launches.append((function, tuple(extent), shared, stream, options, words))
        return self.code


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Driver:
    found = Driver()
    monkeypatch.setattr(launch_cuda, "_driver_call", lambda: found)
    return found


@pytest.mark.parametrize("name", ARGUMENTS)
def test_the_second_launch_gives_the_driver_the_words_of_numba(name: str, driver: Driver) -> None:
    kernel, arguments = Kernel(), ARGUMENTS[name]
    expected = of_numba(arguments)
    driver.number = len(expected)
    for _ in range(3):
        launch(kernel, (4, 2, 1), 128)(*arguments)
    assert len(kernel.by_numba) == 1
    assert driver.launches == [(HANDLE, (4, 2, 1, 128, 1, 1), 0, None, None, expected)] * 2


def test_another_array_and_another_number_are_given_to_the_same_kernel(driver: Driver) -> None:
    kernel = Kernel()
    first, second = ((on_device((5,), "float32", address=a), f) for a, f in ((4096, 1.0), (8192, 2.0)))
    driver.number = len(of_numba(first))
    for arguments in (first, second):
        launch(kernel, 1, 32)(*arguments)
    assert driver.launches[-1][-1] == of_numba(second)
    assert driver.launches[-1][-1] != of_numba((second[0], first[1]))
    assert driver.launches[-1][-1] != of_numba((first[0], second[1]))
    assert len(kernel.by_numba) == 1


def test_each_thread_has_room_of_its_own(driver: Driver) -> None:
    kernel = Kernel()
    driver.number = 1
    for value in (1, 2):
        thread = threading.Thread(target=launch(kernel, 1, 32), args=(value,))
        launch(kernel, 1, 32)(value)
        thread.start()
        thread.join()
    ready = launch_cuda._ready_of(kernel)
    assert len({room.words for room in ready.values()}) == len(ready) >= 2


def test_an_error_of_the_driver_is_one_sentence(driver: Driver) -> None:
    kernel = Kernel()
    driver.number, driver.code = 1, 701
    launch(kernel, 1, 32)(1)
    with pytest.raises(DeviceError, match=r"kernel 'Kernel' could not be launched: the driver's error 701"):
        launch(kernel, 1, 32)(1)


@pytest.mark.parametrize(
    "other",
    [
        (on_device((5,), "float64"), 1.0),
        (on_device((5,), "float32"), 1),
        (on_device((5,), "float32"), np.float32(1)),
        (on_device((5,), "float32", (8,)), 1.0),
        (on_device((5,), "float32"), (1.0,)),
    ],
)
def test_other_types_are_compiled_for_themselves(other: tuple[Any, ...], driver: Driver) -> None:
    kernel = Kernel()
    for arguments in ((on_device((5,), "float32"), 1.0), other):
        launch(kernel, 1, 32)(*arguments)
    assert len(kernel.by_numba) == 2
    assert driver.launches == []


@pytest.mark.parametrize("strange", [np.zeros(3), "text", None, np.bool_(True), (1, None)])
def test_what_is_no_array_of_the_device_and_no_number_goes_numbas_way(strange: Any, driver: Driver) -> None:
    kernel: Any = Kernel()
    kernel.typeof_pyval = repr
    for _ in range(2):
        launch(kernel, 1, 32)(strange, 1.0)
    assert len(kernel.by_numba) == 2
    assert driver.launches == []


def test_without_the_driver_of_this_release_numba_launches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch_cuda, "_driver_call", lambda: None)
    kernel = Kernel()
    launch(kernel, 1, 32)(1.0)
    assert kernel.by_numba == [(1.0,)]


def test_this_release_of_numba_has_what_launches_need() -> None:
    assert launch_cuda._array_type() is devicearray.DeviceNDArray
    assert hasattr(core.Kernel, "handle")
    assert hasattr(codegen.CUDACodeLibrary, "get_cufunc")


def test_a_flat_view_is_made_once() -> None:
    array, host = on_device((3, 4), "float64"), np.zeros((2, 3))
    assert flat(array) is flat(array)
    assert flat(array).shape == (12,)
    assert flat(host).base is host
    line = on_device((5,), "float32")
    assert flat(line) is line


def test_the_numba_cuda_of_numba_itself_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    memory_cuda.DeviceMemory()
    monkeypatch.setattr(numba_cuda, "cuda", SimpleNamespace(__file__="/x/site-packages/numba/cuda/__init__.py"))
    with pytest.raises(DeviceError, match=r"numba.cuda is not that of the package numba-cuda but /x/.*; pip install"):
        memory_cuda.DeviceMemory()
