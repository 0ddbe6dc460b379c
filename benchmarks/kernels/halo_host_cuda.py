"""Host of packing and unpacking on the GPU: a launch each, a row of blocks for each slot."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.devices.cuda_c import compiled

Floats = npt.NDArray[np.floating]
SOURCE = Path(__file__).with_name("halo.cu")
THREADS, SLOTS = 256, 6
C_TYPE = {"float64": "double", "float32": "float"}


def halo_step(host: Floats, n: int, width: int, device: Any) -> tuple[Callable[[], object], Callable[[], Floats]]:
    """Pack and unpack on a copy of a field (n + 2 width)³: a call, and the field on the host."""
    field = device.from_host(host)
    message = device.empty((SLOTS, width * n * n), host.dtype.name)
    grid, sizes = (-(-width * n * n // THREADS), SLOTS), (np.int32(n), np.int32(width))
    pack, unpack = (compiled(SOURCE, name, REAL=C_TYPE[host.dtype.name]) for name in ("halo_pack", "halo_unpack"))
    launches = (
        partial(pack, grid, (THREADS,), (*sizes, field, message)),
        partial(unpack, grid, (THREADS,), (*sizes, message, field)),
    )

    def step() -> None:
        launches[0]()
        launches[1]()

    return step, lambda: device.to_host(field)
