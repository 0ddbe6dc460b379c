"""numba.cuda kernels on arrays of the fake GPU: launches wait on the default stream, as those of CuPy do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import numpy as np
from numba import cuda
from numba.cuda.dispatcher import CUDADispatcher  # here: what is imported while the fake is installed is lost with it
from ptx.device import InterpretedDevice
from ptx.launching import Buffer, run_kernel

from fake_gpu.arrays import FakeArray
from fake_gpu.gpu import FakeGpu


@contextmanager
def numba_kernels(gpu: FakeGpu) -> Iterator[None]:
    """Within, kernel[blocks, threads](…) takes CuPy's arrays and is run by the interpreter when somebody waits."""
    device = InterpretedDevice(gpu.capability)

    def configured(kernel: Any, configuration: Any) -> Callable[..., None]:
        grid, block = configuration[:2]

        def launch(*arguments: Any) -> None:
            shown = [np.asarray(a.view_now) if isinstance(a, FakeArray) else a for a in arguments]
            program = device.program(kernel, tuple(map(kernel.typeof_pyval, shown)))
            name = f"kernel:{kernel.py_func.__name__}"
            stream = gpu.current_stream()
            gpu.record(name, stream, grid, block, *arguments)
            gpu.give(stream, name, lambda: run_kernel(program, grid, block, [_buffered(a) for a in arguments]))

        return launch

    def viewed(array: Any) -> FakeArray:
        assert isinstance(array, FakeArray), f"{type(array).__name__} is no array of the GPU"
        return array

    with (
        mock.patch.object(CUDADispatcher, "__getitem__", configured),
        mock.patch.object(cuda, "as_cuda_array", viewed),
    ):
        yield


def _buffered(argument: Any) -> Any:
    if not isinstance(argument, FakeArray):
        return argument
    first = argument.data.ptr - argument.allocation.ptr
    return Buffer(np.asarray(argument.view_now), argument.allocation.written[first : first + argument.nbytes])
