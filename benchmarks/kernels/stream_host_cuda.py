"""Hosts of the stream kernels on the GPU: arrays, launch grids, one or two launches a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.kernels.stream_host_cpu import Step
from clustermark.devices.cuda_c import compiled, multiprocessors

Floats = npt.NDArray[np.floating]
SOURCE = Path(__file__).with_name("stream.cu")
THREADS, THREADS_OF_SUMS = 256, 1024
# Blocks of a multiprocessor at a sum, all at work at once: 2048 threads.
BLOCKS_OF_SUMS = 8
PACK = 16
C_TYPE = {"float64": "double", "float32": "float"}


def stream_step(
    kernel: str, variant: str, threads: int, scalar: float, host: Mapping[str, Floats], device: Any
) -> Step:
    """A stream kernel on copies of arrays a, b, c; its output is not a number before the first step.

    Parameters
    ----------
    kernel : "copy", "mul", "add", "triad" or "dot"
    variant : "c" or "numba"
    """
    arrays = {name: device.from_host(values) for name, values in host.items()}
    launch = (_c_launcher if variant == "c" else _numba_launcher)(host["a"].dtype)
    count = host["a"].size
    if kernel == "dot":
        return _dot(launch, count, arrays, host["a"].dtype, device)
    inputs, output = {"copy": ("a", "c"), "mul": ("c", "b"), "add": ("ab", "c"), "triad": ("bc", "a")}[kernel]
    factor = (host["a"].dtype.type(scalar),) if kernel in ("mul", "triad") else ()
    lanes = PACK // host["a"].itemsize if variant == "c" else 1
    blocks = -(-(count // lanes + count % lanes) // THREADS)
    arrays[output].fill(np.nan)
    arguments = (*factor, *(arrays[name] for name in inputs), arrays[output])
    step = launch(f"stream_{kernel}", blocks, THREADS, count, arguments)
    return Step(step, lambda: device.to_host(arrays[output]))


Launcher = Callable[[str, int, int, int, tuple[Any, ...]], Callable[[], object]]


def _c_launcher(dtype: np.dtype[Any]) -> Launcher:
    """Launches of CUDA C, whose kernels are given the number of elements first."""

    def launch(name: str, blocks: int, threads: int, count: int, arguments: tuple[Any, ...]) -> Callable[[], object]:
        kernel = compiled(SOURCE, name, REAL=C_TYPE[dtype.name])
        whole = np.int32(count) if name.endswith("_end") else np.int64(count)
        return partial(kernel, (blocks,), (threads,), (whole, *arguments))

    return launch


def _numba_launcher(dtype: np.dtype[Any]) -> Launcher:
    """Launches of numba's kernels, whose arrays know their sizes."""
    from clustermark.benchmarks.kernels import stream_cuda
    from clustermark.devices.numba_cuda import cuda

    def launch(name: str, blocks: int, threads: int, count: int, arguments: tuple[Any, ...]) -> Callable[[], object]:
        kernel: Any = getattr(stream_cuda, name)
        # A view of CuPy's array that is made anew for each launch would wait each time for the stream of that array.
        views = [argument if np.isscalar(argument) else cuda.as_cuda_array(argument) for argument in arguments]
        return partial(kernel[blocks, threads], *views)

    return launch


def _dot(launch: Launcher, count: int, arrays: Mapping[str, Any], dtype: np.dtype[Any], device: Any) -> Step:
    blocks = sum_blocks(count, device)
    partials, out = (device.from_host(np.full(size, np.nan, dtype)) for size in (blocks, 1))
    first = launch("stream_dot", blocks, THREADS, count, (arrays["a"], arrays["b"], partials))
    last = launch("stream_dot_end", 1, THREADS_OF_SUMS, blocks, (partials, out))

    def step() -> None:
        first()
        last()

    return Step(step, lambda: device.to_host(out), sum_terms(count, blocks))


def sum_blocks(count: int, device: Any) -> int:
    """Blocks that fill the GPU, or as many as there are elements for."""
    return max(1, min(BLOCKS_OF_SUMS * multiprocessors(device), count // THREADS))


def sum_terms(count: int, blocks: int) -> int:
    """Additions that follow each other in the longest chain: a thread's, the block's tree, then those of the second."""
    tree = 2 * 5
    return -(-count // (blocks * THREADS)) + tree + -(-blocks // THREADS_OF_SUMS) + tree
