"""Host of the sum on the CPU."""

from __future__ import annotations

from functools import partial

from clustermark.benchmarks.kernels import stream_cpu
from clustermark.benchmarks.kernels.stream_host_cpu import Floats, Step, aligned, pieces, sum_step
from clustermark.core.context import Device
from clustermark.devices.simd import Width, native_width


def reduction_step(host: Floats, threads: int, device: Device) -> Step:
    """The sum of an array, a piece for each thread."""
    values = aligned(host, device)
    width = Width(native_width(str(host.dtype)))
    parts = pieces(host.size, threads, 2 * width.count)
    return sum_step([partial(stream_cpu.reduction, *part, width, values) for part in parts], width)
