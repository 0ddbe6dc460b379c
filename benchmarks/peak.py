"""FMA peak: the most flop/s that cores or a GPU can issue, measured, not looked up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.core.workload import (
    Amount,
    Check,
    Param,
    Trial,
    Workload,
    all_precisions,
    refuse_pair,
    whole_between,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from clustermark.core.case import Case
    from clustermark.core.context import Context

PRECISIONS = {"cpu": ("fp64", "fp32", "int8", "bf16"), "cuda": ("fp64", "fp32", "fp16", "bf16", "int8")}


# Iterations whose sums of ones their format holds.
MOST_ITERATIONS = {"bf16": 2**22, "int8": 2**28}
# Precision → NumPy type of its numbers and format of the sums, where several make a word of 32 bits.
WORDS = {"int8": ("int8", "int32"), "bf16": ("uint16", "fp32")}


def prepare(case: Case, context: Context) -> Trial:
    """Chains on the device of the case."""
    if case.device == "cuda":
        return _on_cuda(case, context)
    return _words_on_cpu(case, context) if case.precision in WORDS else _on_cpu(case, context)


def _at_once(call: Callable[[int], float], threads: int) -> tuple[Callable[[], object], list[float]]:
    """A step that makes the call on each thread, and where it leaves the results."""
    from concurrent.futures import ThreadPoolExecutor

    found = [float("nan")] * threads
    if threads == 1:

        def alone() -> None:
            found[0] = call(0)

        return alone, found
    pool = ThreadPoolExecutor(threads)

    def step() -> None:
        found[:] = pool.map(call, range(threads))

    return step, found


def _words_on_cpu(case: Case, context: Context) -> Trial:
    """Sums of products of int8 or bfloat16 ones, by the best instruction of this CPU; without one there is no speed."""
    import numpy as np

    from clustermark.core.accuracy import Arithmetic
    from clustermark.devices.dot_chains import dot_chains, products_of_chains
    from clustermark.devices.simd_dots import choose_dot, host_features
    from clustermark.devices.simd_tiles import tile_of

    element, sums = WORDS[case.precision]
    dot = choose_dot(element, host_features())
    tile, iterations = tile_of(dot), int(case.params["iterations"])
    one = 0x3F80 if case.precision == "bf16" else 1
    word = np.int32(sum(one << 32 // dot.group * place for place in range(dot.group)))
    dot_chains(tile, 1, word, word)
    step, found = _at_once(lambda thread: float(dot_chains(tile, iterations, word, word)), case.threads)
    operations = 2 * products_of_chains(dot, iterations)

    def check() -> Check:
        error = context.transport.maximum(max(abs(total - operations / 2) for total in found))
        passed = error == 0  # of a NaN, too
        return Check("sum", error, 0.0, passed, f"the sum is {found[0]:.17g}, should be {operations / 2:.17g}")

    arithmetic = Arithmetic(case.precision, sums, sums, dot.path)
    amount = Amount(float(operations) * case.threads * case.ranks, "op" if case.precision == "int8" else "flop")
    return Trial(step, check, {"flop_rate": amount} if arithmetic.timed else {}, arithmetic=str(arithmetic))


def _on_cpu(case: Case, context: Context) -> Trial:
    """Compiles the loop, then runs it on `threads` threads at once (the loop holds no lock of Python's)."""
    import numpy as np

    from clustermark.devices import fma

    dtype = context.precision.storage
    iterations = int(case.params["iterations"])
    start = np.dtype(dtype).type(1.0)
    fma.fma_chains(1, start)
    step, sums = _at_once(lambda thread: float(fma.fma_chains(iterations, start)), case.threads)

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


def refuse(case: Case) -> str:
    """Precisions that have no chains on the device, counts that sums do not hold."""
    pair = refuse_pair(case, PRECISIONS)
    most = MOST_ITERATIONS.get(case.precision) if case.device == "cpu" else None
    if not pair and most and int(case.params["iterations"]) > most:
        return f"has sums of ones in {WORDS[case.precision][1]}, exact up to iterations = {most}"
    return pair


PEAK = Workload(
    name="peak",
    version=1,
    summary="fused multiply-adds in registers on every rank: the roof of compute-bound work",
    source="independent FMA chains, as in the Empirical Roofline Toolkit",
    devices=("cpu", "cuda"),
    precisions=all_precisions(PRECISIONS),
    transports=("local", "mpi"),
    prepare=prepare,
    # Fewer iterations do not reach the fixed point from 1: 0.9**500 is below every unit roundoff here.
    params=(Param("iterations", 100_000, "FMAs per chain and step", check=whole_between(500, 10**9)),),
    refuse=refuse,
)
