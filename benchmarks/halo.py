"""Halo packing: the six faces of a cube into one message and back, what stencil codes do before and after they talk."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.core.workload import Amount, Check, Param, Trial, Workload, whole_between

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context


def prepare(case: Case, context: Context) -> Trial:
    """Random cells, ghosts that are not a number; a step packs all faces and unpacks them as if each had a neighbour.

    The neighbours are the cube itself: what is right is the periodic continuation, to the bit.
    """
    import numpy as np

    n, width = int(case.params["n"]), int(case.params["width"])
    dtype = context.precision.storage
    field = np.full((n + 2 * width,) * 3, np.nan, dtype)
    inside = (slice(width, width + n),) * 3
    field[inside] = context.rng.random((n, n, n))
    if case.device == "cuda":
        from clustermark.benchmarks.kernels.halo_host_cuda import halo_step
    else:
        from clustermark.benchmarks.kernels.halo_host_cpu import halo_step
    step, result = halo_step(field, n, width, context.device)

    def check() -> Check:
        wanted = np.pad(field[inside], width, mode="wrap")
        outside = [np.arange(n + 2 * width) - width for _ in range(3)]
        axes_out = sum(((place < 0) | (place >= n)).astype(int) for place in np.meshgrid(*outside, indexing="ij"))
        wanted[axes_out > 1] = np.nan  # edges and corners are in no face
        found = result()
        wrong = np.flatnonzero(~((found == wanted) | (np.isnan(found) & np.isnan(wanted))))
        total = context.transport.sum(float(wrong.size))
        detail = "every ghost cell is that of the periodic continuation, edges and corners are untouched"
        if wrong.size:
            first = int(wrong[0])
            detail = f"cell {first} is {found.flat[first]}, should be {wanted.flat[first]}"
        return Check("wrong cells", total, 0.0, total == 0, detail)

    size = float(6 * width * n * n) * np.dtype(dtype).itemsize
    work = {"bandwidth": Amount(4 * size * case.ranks, "B"), "message_rate": Amount(size * case.ranks, "B")}
    return Trial(step, check, work, counters={"message bytes": size})


def refuse(case: Case) -> str:
    """Halos wider than the cube, faces beyond the 2^31 cells that a kernel counts."""
    n, width = int(case.params["n"]), int(case.params["width"])
    if width > n:
        return f"has a halo of {width} cells around {n}; use width <= n"
    return "has faces of more than 2^31 cells; use a smaller n" if width * n * n >= 2**31 else ""


HALO = Workload(
    name="halo",
    version=1,
    summary="faces of a cube packed into a message and unpacked into its ghost cells, every cell checked",
    source="ghost-cell exchange of stencil codes (Kjolstad & Snir, ParaPLoP 2010)",
    devices=("cpu", "cuda"),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi"),
    prepare=prepare,
    params=(
        Param("n", 256, "cells a side", check=whole_between(1, 4096)),
        Param("width", 2, "cells of the halo on each side", check=whole_between(1, 16)),
    ),
    refuse=refuse,
    ceiling="membw.bandwidth",
)
