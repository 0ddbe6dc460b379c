"""FMA peak: the most flop/s that cores or a GPU can issue, measured, not looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.core.workload import Amount, Check, Param, ParamValue, Trial, Workload, all_precisions, refuse_pair

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context

PRECISIONS = {"cpu": ("fp64", "fp32"), "cuda": ("fp64", "fp32", "fp16", "bf16", "int8")}


def prepare(case: Case, context: Context) -> Trial:
    """Chains on the device of the case."""
    return _on_cuda(case, context) if case.device == "cuda" else _on_cpu(case, context)


def _on_cpu(case: Case, context: Context) -> Trial:
    """Compiles the loop, then runs it on `threads` threads at once (the loop holds no lock of Python's)."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    from clustermark.devices import fma

    dtype = context.precision.storage
    iterations = int(case.params["iterations"])
    start = np.dtype(dtype).type(1.0)
    sums = [float(fma.fma_chains(1, start))]

    def once(thread: int = 0) -> float:
        return float(fma.fma_chains(iterations, start))

    if case.threads > 1:
        pool = ThreadPoolExecutor(case.threads)

        def step() -> None:
            sums[:] = pool.map(once, range(case.threads))

    else:

        def step() -> None:
            sums[0] = once()

    def check() -> Check:
        lanes = fma.CHAINS * fma.lanes(dtype)
        error = max(abs(total / lanes - fma.FIXED_POINT) / fma.FIXED_POINT for total in sums)
        error = context.transport.maximum(error)
        # Each chain stays within u ÷ (1 - 0.9) of the fixed point; summing its lanes adds at most one u a term.
        bound = context.precision.unit_roundoff * (10 + lanes)
        return Check("fixed point", error, bound, error <= bound, f"a lane is {sums[0] / lanes:.9g}, should be 3")

    flop = float(fma.flop_per_iteration(dtype)) * iterations * case.threads * case.ranks
    return Trial(step, check, {"flop_rate": Amount(flop, "flop")}, counters={"vector bytes": fma.vector_bytes()})


def _on_cuda(case: Case, context: Context) -> Trial:
    """One launch a step, of as many threads as the GPU holds at once."""
    from clustermark.benchmarks.kernels.peak_host_cuda import chains

    made = chains(context.precision.name, int(case.params["iterations"]), context.device)

    def check() -> Check:
        error, detail = made.error()
        error = context.transport.maximum(error)
        # x ← ⅞x + ⅜ stops moving where ⅛ of the distance to 3 rounds away: within u ÷ (1 - ⅞). Integers are exact.
        bound = 8 * context.precision.unit_roundoff
        return Check("fixed point" if bound else "sum", error, bound, error <= bound, detail)

    unit = "op" if context.precision.name == "int8" else "flop"
    return Trial(made.step, check, {"flop_rate": Amount(made.operations * case.ranks, unit)}, counters=made.counters)


def _enough(value: ParamValue) -> str:
    # Fewer iterations do not reach the fixed point from 1: 0.9**500 is below every unit roundoff here.
    return "" if isinstance(value, int) and 500 <= value <= 10**9 else "expected 500 to 1000000000"


def refuse(case: Case) -> str:
    """Precisions that have no chains on the device."""
    return refuse_pair(case, PRECISIONS)


PEAK = Workload(
    name="peak",
    version=1,
    summary="fused multiply-adds in registers on every rank: the roof of compute-bound work",
    source="independent FMA chains, as in the Empirical Roofline Toolkit",
    devices=("cpu", "cuda"),
    precisions=all_precisions(PRECISIONS),
    transports=("local", "mpi"),
    prepare=prepare,
    params=(Param("iterations", 100_000, "FMAs per chain and step", check=_enough),),
    refuse=refuse,
)
