"""Launches of numba's kernels: what a launch costs the host, for kernels that are launched again and again.

numba-cuda looks at every argument anew at each launch, which for a kernel of twenty arguments takes the host longer
than many kernels take the GPU. Here the words that an array gives to a kernel are made once for each array, types are
told apart by short names, and the driver is called directly (cuLaunchKernel); what it is given is the same. Arrays
that are not numba's on a GPU, as those of the simulator and of the interpreter, go numba's own way.
"""

from __future__ import annotations

import ctypes
import functools
import importlib
import struct
import sys
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from clustermark.core.errors import DeviceError
from clustermark.devices.cuda_driver import LIBRARY

# A word of a kernel's arguments: 8 bytes, the number first.
_WORD = 8
# Type of a number → its name, and what the driver reads.
_NUMBERS: dict[type, tuple[str, Callable[..., bytes]]] = {
    bool: ("b", struct.Struct("<?7x").pack),
    int: ("q", struct.Struct("<q").pack),
    float: ("d", struct.Struct("<d").pack),
    np.float64: ("d", struct.Struct("<d").pack),
    np.float32: ("f", struct.Struct("<f4x").pack),
    np.int64: ("q", struct.Struct("<q").pack),
    np.int32: ("i", struct.Struct("<i4x").pack),
    np.uint32: ("I", struct.Struct("<I4x").pack),
    np.uint64: ("Q", struct.Struct("<Q").pack),
}
_WORDS, _FLAT = "_words_of_launches", "_flat_view"
Kinds = tuple[Any, ...]


class Ready(NamedTuple):
    """A kernel compiled for some types, with room for its arguments.

    Attributes
    ----------
    function : the driver's handle
    room : the words of a launch, which the driver copies before it returns
    words, pointers : addresses of `room`, and of the pointers to its words
    held : what must live as long
    """

    function: int
    room: int
    words: int
    pointers: int
    held: Any


def launch(kernel: Any, blocks: Any, threads: Any) -> Callable[..., None]:
    """kernel[blocks, threads], on the default stream: to be called with arrays of the device, numbers, tuples of them.

    Parameters
    ----------
    kernel : numba's; its first launch with arguments of some types goes numba's way, which compiles it
    blocks, threads : a number, or a tuple of three
    """
    return functools.partial(_launch, kernel, blocks, threads)


def flat(array: Any) -> Any:
    """(n,) view of a contiguous array, made once for each array of a GPU."""
    if array.ndim == 1:
        return array
    if type(array) is not _array_type():
        return array.reshape(-1)
    held = array.__dict__
    if _FLAT not in held:
        held[_FLAT] = array.reshape(-1)
    return held[_FLAT]


def _launch(kernel: Any, blocks: Any, threads: Any, *arguments: Any) -> None:
    parts: list[bytes] = []
    kinds = _kinds(arguments, parts, _array_type())
    call = _driver_call() if kinds is not None else None
    if kinds is None or call is None or not hasattr(kernel, "overloads"):
        kernel[blocks, threads](*arguments)
        return
    # Each thread has room of its own: between the copy and the call another may come.
    table, key = _ready_of(kernel), (threading.get_ident(), kinds)
    ready = table.get(key)
    if ready is None:
        kernel[blocks, threads](*arguments)
        made = _made_ready(kernel, arguments, sum(map(len, parts)))
        if made is not None:
            table[key] = made
        return
    ctypes.memmove(ready.words, b"".join(parts), ready.room)
    code = call(ready.function, *_extent(blocks), *_extent(threads), 0, None, ready.pointers, None)
    if code:
        name = getattr(getattr(kernel, "py_func", kernel), "__name__", "kernel")
        raise DeviceError(f"device 'cuda': kernel '{name}' could not be launched: the driver's error {code} (cuda.h)")


def _kinds(arguments: tuple[Any, ...], parts: list[bytes], array_type: type) -> Kinds | None:
    """Names of the types of arguments, whose words are appended; None where one of them is not known here."""
    kinds: list[Any] = []
    for argument in arguments:
        kind = type(argument)
        if kind is array_type:
            name, words = argument.__dict__.get(_WORDS) or _described(argument)
            kinds.append(name)
            parts.append(words)
        elif kind in _NUMBERS:
            name, pack = _NUMBERS[kind]
            kinds.append(name)
            parts.append(pack(argument))
        elif isinstance(argument, tuple):
            inner = _kinds(argument, parts, array_type)
            if inner is None:
                return None
            kinds.append((kind, *inner))
        else:
            return None
    return tuple(kinds)


def _described(array: Any) -> tuple[str, bytes]:
    """Name of the type of an array, and the words of it that a kernel is given; kept with the array.

    numba's array on a device: two pointers of the host that are null, elements, their size, address, shape, strides.
    """
    address = array.device_ctypes_pointer.value or 0
    numbers = (array.size, array.dtype.itemsize, address, *array.shape, *array.strides)
    words = struct.pack(f"<{2 + len(numbers)}q", 0, 0, *numbers)
    found = (sys.intern(str(array._numba_type_)), words)
    array.__dict__[_WORDS] = found
    return found


@functools.cache
def _ready_of(kernel: Any) -> dict[tuple[int, Kinds], Ready]:
    """(thread, kinds of arguments) → what is launched; empty at first."""
    return {}


def _made_ready(kernel: Any, arguments: tuple[Any, ...], room: int) -> Ready | None:
    """Of a kernel that numba has compiled for arguments; None where it converted one of them."""
    own = kernel.overloads.get(tuple(map(kernel.typeof_pyval, arguments)))
    if own is None:
        return None
    compiled = own._codelibrary.get_cufunc().kernel
    words = ctypes.create_string_buffer(room)
    start = ctypes.addressof(words)
    pointers = (ctypes.c_void_p * (room // _WORD))(*range(start, start + room, _WORD))
    return Ready(int(compiled.handle), room, start, ctypes.addressof(pointers), (compiled, words, pointers))


@functools.lru_cache(maxsize=4096)
def _extent(size: Any) -> tuple[int, int, int]:
    sizes = (*map(int, size), 1, 1) if isinstance(size, tuple) else (int(size), 1, 1)
    return sizes[0], sizes[1], sizes[2]


@functools.cache
def _array_type() -> type:
    """Of numba's arrays on a GPU; a type that nothing has where this release has none, or is the simulator."""
    try:
        return importlib.import_module("numba.cuda.cudadrv.devicearray").DeviceNDArray
    except (ImportError, AttributeError):
        return Ready


@functools.cache
def _driver_call() -> Callable[..., int] | None:
    """cuLaunchKernel(function, grid × 3, block × 3, shared bytes, stream, arguments, options); None without driver."""
    try:
        # Held: a launch is shorter than giving Python's lock away and taking it back.
        call = ctypes.PyDLL(LIBRARY).cuLaunchKernel
    except (OSError, AttributeError):
        return None
    call.argtypes = [ctypes.c_void_p, *[ctypes.c_uint] * 7, *[ctypes.c_void_p] * 3]
    call.restype = ctypes.c_int
    return call
