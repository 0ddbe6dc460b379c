"""Cases of the ladder, and tests written for the interpreter, on a real GPU: rung 7 of docs/cuda-without-a-gpu.md."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from cuda_helpers.ladder import Kernel
from ptx.examples import Case

from clustermark.devices import DEVICES
from clustermark.devices.cuda_c import compiled


class RealGpu:
    """Stands where a test installs the interpreted device, and installs nothing: kernels then run on the GPU.

    Attributes
    ----------
    transfers : none; what only the interpreter records
    """

    def __init__(self) -> None:
        self.transfers: list[Any] = []

    @contextmanager
    def installed(self) -> Iterator[RealGpu]:
        """Bind this process to its first GPU; wait for it at the end, when errors of kernels are raised."""
        device = DEVICES["cuda"].open(0)
        yield self
        device.synchronize()


def launched(kernel: Kernel, kind: str, case: Case) -> list[Any]:
    """The arguments of a case after its launch on the GPU, arrays back on the host."""
    device: Any = DEVICES["cuda"].open(0)
    arguments = [device.from_host(a) if isinstance(a, np.ndarray) else a for a in case.fresh()]
    if kernel.dispatcher is None:
        definitions = dict(definition.split("=", 1) for definition in kernel.kinds[kind])
        compiled(kernel.path, kernel.name, **definitions)(case.grid, case.block, tuple(arguments))
    else:
        kernel.dispatcher[case.grid, case.block](*arguments)
    device.synchronize()
    return [argument if np.isscalar(argument) else device.to_host(argument) for argument in arguments]
