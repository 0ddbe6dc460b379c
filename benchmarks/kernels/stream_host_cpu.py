"""Hosts of the stream kernels on the CPU: aligned arrays, pieces for threads, one call a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.kernels import stream_cpu
from clustermark.core.context import Device
from clustermark.devices.simd import Width, native_width

Floats = npt.NDArray[np.floating]
# A line of the caches, and the widest vector [B].
LINE = 64


@dataclass(frozen=True)
class Step:
    """A kernel made ready.

    Attributes
    ----------
    step : one call
    result : what the last step left, on the host
    terms : of a sum, how many are added up one after the other
    """

    step: Callable[[], object]
    result: Callable[[], Floats]
    terms: int = 1


def aligned(values: Floats, device: Device) -> Floats:
    """A copy whose address is a multiple of LINE."""
    size = values.itemsize
    room = device.empty((values.size + LINE // size,), str(values.dtype))
    first = -room.ctypes.data % LINE // size
    copy = room[first : first + values.size]
    copy[:] = values
    return copy


def pieces(count: int, threads: int, grain: int) -> list[tuple[int, int]]:
    """(start, stop) of each thread's elements, alike to a multiple of `grain`."""
    grains = count // grain
    ends = [grains * k // threads * grain for k in range(threads + 1)]
    return list(pairwise(ends))


def in_threads(calls: list[Callable[[], Any]]) -> Callable[[], list[Any]]:
    """All calls at once, each in a thread of its own (they hold no lock of Python's), and what they return."""
    if len(calls) == 1:
        return lambda: [calls[0]()]
    pool = ThreadPoolExecutor(len(calls))
    return lambda: list(pool.map(lambda call: call(), calls))


def stream_step(
    kernel: str,
    variant: str,
    threads: int,
    scalar: float,
    host: Mapping[str, Floats],
    device: Device,
    passes: int = 1,
) -> Step:
    """A stream kernel on copies of arrays a, b, c; its output is not a number before the first step.

    Parameters
    ----------
    kernel : "copy", "mul", "add", "triad" or "dot"
    variant : "nontemporal" or "plain" stores
    passes : over the arrays, in one call
    """
    arrays = {name: aligned(values, device) for name, values in host.items()}
    dtype = host["a"].dtype
    width = Width(native_width(str(dtype)))
    parts = pieces(host["a"].size, threads, 2 * width.count)
    if kernel == "dot":
        return sum_step(
            [partial(stream_cpu.stream_dot, passes, *p, width, arrays["a"], arrays["b"]) for p in parts], width
        )
    inputs, output = {"copy": ("a", "c"), "mul": ("c", "b"), "add": ("ab", "c"), "triad": ("bc", "a")}[kernel]
    factor = (dtype.type(scalar),) if kernel in ("mul", "triad") else ()
    arguments = (variant == "nontemporal", *factor, *(arrays[name] for name in inputs), arrays[output])
    function: Any = getattr(stream_cpu, f"stream_{kernel}")
    function(1, 0, 0, width, *arguments)  # compiles
    arrays[output].fill(np.nan)
    calls = [partial(function, passes, *part, width, *arguments) for part in parts]
    return Step(in_threads(calls), lambda: arrays[output])


def sum_step(calls: list[Callable[[], float]], width: Width) -> Step:
    """A sum of which each call does a piece."""
    calls[0]()
    together = in_threads(calls)
    found = np.full(1, np.nan)

    def step() -> None:
        found[0] = sum(together())

    # A lane of a block, then the lanes and blocks in float64.
    return Step(step, lambda: found, stream_cpu.BLOCK // (2 * width.count) + 2 * width.count)
