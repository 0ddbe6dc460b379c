"""Counting what must come from memory: each byte once a launch, reads and writes apart."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("numba.cuda.dispatcher", reason="numba-cuda is not installed: make test CUDA=1")

import numba.cuda

from ptx.device import InterpretedDevice, device_array, to_device
from ptx.traffic import traffic

cuda: Any = numba.cuda


@cuda.jit
def differences(x, y):
    i = cuda.grid(1)
    if i < y.size:
        y[i] = x[i + 1] - x[i]


def test_a_byte_counts_once_a_launch_however_many_threads_read_it() -> None:
    with InterpretedDevice().installed():
        x, y = to_device(np.arange(101, dtype=np.float32)), device_array(100, np.float32)
        with traffic() as once:
            differences[1, 128](x, y)
        with traffic() as twice:
            differences[1, 128](x, y)
            differences[1, 128](x, y[:50])
        differences[1, 128](x, y)
    assert (once.read, once.written) == (4 * 101, 4 * 100)
    assert (twice.read, twice.written) == (4 * (101 + 51), 4 * (100 + 50))
