"""Sum of n numbers on every rank: the reduction that norms, energies and dot products end in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.core.workload import Amount, Check, Param, ParamValue, Trial, Workload, all_precisions, refuse_pair

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context

PRECISIONS = {"cpu": ("fp64", "fp32"), "cuda": ("fp64", "fp32", "fp16")}
GRAIN = 128


def prepare(case: Case, context: Context) -> Trial:
    """Numbers uniform on (-½, ½), fresh per case and rank; a step is one sum of all of them, in a fixed order."""
    import math

    import numpy as np

    from clustermark.core.accuracy import LAMBDA

    size = int(case.params["bytes"])
    dtype = context.precision.storage
    host = context.rng.uniform(-0.5, 0.5, size // np.dtype(dtype).itemsize).astype(dtype)
    if case.device == "cuda":
        from clustermark.benchmarks.kernels.reduction_host_cuda import reduction_step

        made = reduction_step(host, context.device)
    else:
        from clustermark.benchmarks.kernels.reduction_host_cpu import reduction_step

        made = reduction_step(host, case.threads, context.device)

    def check() -> Check:
        wide = host.astype(np.float64)
        # The sum of the float64 numbers is off by a few u of float64 of Σ|x|; of fp32 and fp16 it is nearly exact.
        wanted = math.fsum(wide.tolist()) if wide.size <= EXACTLY else float(wide.sum())
        found = float(made.result()[0])
        error = abs(found - wanted) / float(np.abs(wide).sum())
        error = context.transport.maximum(error if math.isfinite(error) else math.inf)
        terms = made.terms
        bound = (2 + min(LAMBDA * math.sqrt(terms), terms)) * context.precision.accumulate_roundoff
        detail = f"is {found:.12g}, should be {wanted:.12g}"
        return Check("|sum - Σx| / Σ|x|", error, bound, error <= bound, detail)

    return Trial(
        made.step, check, {"bandwidth": Amount(float(size) * case.ranks, "B")}, counters={"array bytes": float(size)}
    )


# Numbers that a correctly rounded sum is made of in seconds; of more, NumPy's pairwise sum is as good as is needed.
EXACTLY = 1 << 22


def _whole_grains(value: ParamValue) -> str:
    good = isinstance(value, int) and GRAIN <= value <= 2**40 and value % GRAIN == 0
    return "" if good else f"expected {GRAIN}B to 1TiB, a multiple of {GRAIN}"


def refuse(case: Case) -> str:
    """Precisions that are not summed on the device."""
    return refuse_pair(case, PRECISIONS)


REDUCTION = Workload(
    name="reduction",
    version=1,
    summary="sum of n numbers on every rank, in a fixed order: bandwidth, error against the exact sum",
    source="two-stage tree reduction (Harris, Optimizing Parallel Reduction in CUDA, 2007); bound: Higham & Mary 2019",
    devices=("cpu", "cuda"),
    precisions=all_precisions(PRECISIONS),
    transports=("local", "mpi"),
    prepare=prepare,
    params=(Param("bytes", 128 << 20, "size of the array; over four times the last cache", "B", _whole_grains),),
    refuse=refuse,
    ceiling="membw.bandwidth",
)
