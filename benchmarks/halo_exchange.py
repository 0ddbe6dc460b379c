"""Halo exchange: cells at the faces of each rank's block into its neighbours' halos, in two or three dimensions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clustermark.benchmarks.callers import CALLER, refuse_caller, steps_of
from clustermark.core.context import Copy, Exchange
from clustermark.core.workload import Amount, Check, Param, Trial, Workload, whole_between

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from clustermark.core.case import Case
    from clustermark.core.context import Context, StepPart

    Array = npt.NDArray[Any]

# Cells of the whole grid hold their number modulo this prime, which float32 holds exactly.
CELL_MODULUS = 16_777_213


def padded_block(
    n: int, width: int, shape: tuple[int, ...], place: tuple[int, ...], dtype: str, first: int = 0
) -> Array:
    """What a block with its halos holds after an exchange: the numbers of the cells of the periodic global grid.

    Parameters
    ----------
    n, width : cells a side of a block, and of its halo
    shape, place : ranks along each axis, and this rank's coordinates
    first : number of the first cell

    Returns
    -------
    (n + 2 width, …) array of `dtype`
    """
    import numpy as np

    total = np.zeros((1,) * len(shape), np.int64)
    for axis, (extent, coordinate) in enumerate(zip(shape, place, strict=True)):
        along = (np.arange(-width, n + width) + coordinate * n) % (extent * n)
        others = [1] * len(shape)
        others[axis] = along.size
        total = total * (extent * n) + along.reshape(others)
    return ((total + first) % CELL_MODULUS).astype(dtype)


def sent_cells(n: int, width: int, dimensions: int) -> int:
    """Cells that one rank sends: two faces an axis, which carry the halos of the axes before along."""
    return sum(2 * width * (n + 2 * width) ** axis * n ** (dimensions - 1 - axis) for axis in range(dimensions))


def face(axis: int, part: slice, n: int, width: int, dimensions: int) -> tuple[slice, ...]:
    """Index of a slab of a padded block: `part` of `axis`, all of the axes before it, the inside of those after it."""
    whole, inside = slice(0, n + 2 * width), slice(width, n + width)
    return (*[whole] * axis, part, *[inside] * (dimensions - 1 - axis))


def prepare(case: Case, context: Context) -> Trial:
    """One axis after the other, so that edges and corners arrive too: pack, exchange both ways, unpack."""
    from clustermark.transports.grid import balanced_shape, place_of

    transport, device = context.transport, context.device
    n, width, dimensions = (int(case.params[name]) for name in ("n", "width", "dimensions"))
    shape = balanced_shape(transport.size, dimensions)
    dtype = context.precision.storage
    # The second field is for the check: what is left of the first in buffers of messages is wrong for it.
    fields = [padded_block(n, width, shape, place_of(transport.rank, shape), dtype, first) for first in (0, 1)]
    expected = fields[0]
    inside = (slice(width, n + width),) * dimensions
    block = device.from_host(_without_halo(expected, inside))
    axes = [axis_exchange(context, block, axis, n, width, shape) for axis in range(dimensions)]
    steps = steps_of(case, context, [part for axis in axes for part in axis])

    def check() -> Check:
        first = _compared(context, block, expected)
        block[...] = device.from_host(_without_halo(fields[1], inside))
        device.synchronize()
        steps.once()
        again = _compared(context, block, fields[1])
        return again if first.passed else first

    cells = sent_cells(n, width, dimensions)
    work = {"bandwidth": Amount(float(cells * expected.itemsize * case.ranks), "B")}
    counters = {"message bytes": float(width * n ** (dimensions - 1) * expected.itemsize)}
    return steps.trial(check, work, counters=counters)


def _without_halo(expected: Array, inside: tuple[slice, ...]) -> Array:
    import numpy as np

    block = np.full_like(expected, -1)
    block[inside] = expected[inside]
    return block


def axis_exchange(
    context: Context, block: Array, axis: int, n: int, width: int, shape: tuple[int, ...]
) -> list[StepPart]:
    """The parts of one axis: both faces packed, sent to the neighbours before and after, and unpacked.

    Parameters
    ----------
    block : (n + 2 width, …) array of the device, with its halos
    shape : ranks along each axis
    """
    from clustermark.transports.grid import neighbours

    before, after = neighbours(context.transport.rank, shape, axis)
    parts = {
        "low": slice(width, 2 * width),
        "high": slice(n, n + width),
        "low halo": slice(0, width),
        "high halo": slice(n + width, n + 2 * width),
    }
    views = {name: block[face(axis, part, n, width, len(shape))] for name, part in parts.items()}
    dtype = context.precision.storage
    low, high, low_halo, high_halo = (context.device.empty(view.shape, dtype) for view in views.values())
    # Where both neighbours are one rank, its first message is its low face, which belongs into the high halo here.
    sends, receives = [(low, before), (high, after)], [(high_halo, after), (low_halo, before)]
    low_cells, high_cells, low_target, high_target = views.values()
    packed, unpacked = [(low_cells, low), (high_cells, high)], [(low_halo, low_target), (high_halo, high_target)]
    return [
        *(Copy(source, target) for source, target in packed),
        Exchange(sends, receives),
        *(Copy(source, target) for source, target in unpacked),
    ]


def _compared(context: Context, block: Array, expected: npt.NDArray[np.generic]) -> Check:
    from clustermark.benchmarks.elements import compare

    context.device.synchronize()
    return compare(context.device.to_host(block).ravel(), expected.ravel(), context.transport.sum)


def refuse(case: Case) -> str:
    """Halos wider than a block, blocks that a node could not hold in a terabyte, callers that there are not."""
    n, width, dimensions = (int(case.params[name]) for name in ("n", "width", "dimensions"))
    if width > n:
        return f"has a halo of {width} cells and blocks of {n}; use a width of {n} or less"
    gib = 4 * (n + 2 * width) ** dimensions * 8 * case.ranks_per_node / 2**30
    return f"needs {gib:.0f} GiB per node; use a smaller n" if gib > 1024 else refuse_caller(case)


HALO_EXCHANGE = Workload(
    name="halo_exchange",
    version=2,
    summary="faces of a block into the halos of its neighbours, 2-D or 3-D, packed and unpacked, every cell checked",
    source="as stencil codes do it: axis by axis, so that corners arrive too; bytes sent by all ranks count",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi", "mpi_device", "nccl"),
    prepare=prepare,
    params=(
        Param("n", 128, "cells a side of each rank's block", check=whole_between(1, 100_000)),
        Param("dimensions", 3, "2 or 3", check=whole_between(2, 3)),
        Param("width", 1, "cells of the halo", check=whole_between(1, 16)),
        CALLER,
    ),
    refuse=refuse,
)
