"""GEMM: C = AB on every rank's own matrices, through a BLAS, our own kernel, or formats that are simulated."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from clustermark.benchmarks.kernels.gemm_made import Made
from clustermark.core.workload import (
    Amount,
    Check,
    Param,
    Trial,
    Workload,
    all_precisions,
    one_of,
    refuse_pair,
    whole_between,
)

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from clustermark.core.case import Case
    from clustermark.core.context import Context

    Matrix = npt.NDArray[np.generic]

# Device → precisions. The first of a precision's variants is what "" means; CuPy's gemmEx does no 8-bit floats.
VARIANTS: dict[str, tuple[str, ...]] = {
    "fp64": ("blas", "numba", "ozaki"),
    "fp32": ("blas", "numba"),
    "int8": ("numba",),
    "bf16": ("numba", "simulated"),
    **dict.fromkeys(("fp16", "tf32", "e4m3", "e5m2"), ("simulated",)),
}
CUDA_VARIANTS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("fp64", "fp32", "tf32", "fp16"), ("cublas",)),
    **dict.fromkeys(("bf16", "int8"), ("cublas", "cublaslt")),
    **dict.fromkeys(("e4m3", "e5m2"), ("cublaslt",)),
}
KNOWN = {"cpu": VARIANTS, "cuda": CUDA_VARIANTS}
PRECISIONS = {device: tuple(variants) for device, variants in KNOWN.items()}
INPUTS = ("centred", "positive", "wide", "cancelling", "scaled")
# Multiples that cuBLAS and cuBLASLt want of m, n and k.
GRAIN = {"int8": 4, "e4m3": 16, "e5m2": 16}


def prepare(case: Case, context: Context) -> Trial:
    """A (m, k), B (k, n) of the case's class of inputs, fresh per case and rank; a step is one product into C.

    They are made in float64 and rounded to the input format before anything is timed. Zeros or constants would flatter
    the clock of some processors, so the data are random.
    """
    from clustermark.benchmarks.kernels.gemm_inputs import matrices, whole_numbers
    from clustermark.core.accuracy import product_error, sampled_error

    n = int(case.params["n"])
    m, k = (int(case.params[name]) or n for name in ("m", "k"))
    precision, transport = context.precision, context.transport
    inputs = str(case.params["inputs"]) or INPUTS[0]
    whole = precision.name == "int8"
    a, b = whole_numbers(m, k, n, context.rng) if whole else matrices(inputs, m, k, n, context.rng)
    made = _on_cuda(case, a, b, context) if case.device == "cuda" else _on_cpu(case, a, b)

    def check() -> Check:
        c = made.result()
        own = product_error(made.a, made.b, c, context.rng)
        found = sampled_error(a, b, c, context.rng)
        error = transport.maximum(found.error)
        worst = transport.maximum(own.error / made.own_bound if made.own_bound else own.error)
        detail = found.detail
        if worst > 1:
            detail = f"beside its rounded inputs the product is off by {own.error:.2g}, allowed {made.own_bound:.2g}"
        if error < made.least:
            detail = f"an error below {made.least:.1e} is that of fp32: the product was not done in TF32"
        passed = made.least <= error <= made.bound and worst <= 1 and not made.wrong
        return Check("|C - AB| / (|A||B|)", error, made.bound, passed, made.wrong or detail)

    work = {}
    if made.timed:
        flop = Amount(2.0 * m * n * k * case.ranks, "op" if whole else "flop")
        work = {"flop_rate": flop, "least_bandwidth": Amount(made.stored_bytes * float(case.ranks), "B")}
    return Trial(made.step, check, work, counters=made.counters, arithmetic=made.words)


def _on_cpu(case: Case, a: Matrix, b: Matrix) -> Made:
    from clustermark.benchmarks.kernels.gemm_ways_cpu import way_of
    from clustermark.core.accuracy import Arithmetic, accumulator_bits
    from clustermark.core.number_formats import FORMATS

    variant = str(case.params["variant"]) or VARIANTS[case.precision][0]
    way = way_of(case.precision, variant, a, b, case.threads)
    arithmetic, k = way.arithmetic, a.shape[1]
    counters, wrong = {}, ""
    if arithmetic.sums in FORMATS:
        wanted = FORMATS[arithmetic.sums].bits
        # Powers of two up to the square root of the largest number are numbers of every input format.
        largest = int(min(2 * math.log2(FORMATS[arithmetic.inputs].largest) - 1, 60))
        found = accumulator_bits(way.once, largest)
        counters["accumulator bits"] = float(found)
        if found < min(wanted, largest + 1):
            wrong = f"the accumulator holds {found} bits, {arithmetic.sums} has {wanted}"
    bounds = (arithmetic.bound(k), arithmetic.bound(k, rounded_inputs=False))
    if variant == "ozaki":  # the integers are exact; what it is held to is float64
        bounds = (Arithmetic("fp64", "fp64", "fp64", "converted").bound(k),) * 2
    return Made(
        way.step,
        way.result,
        way.a,
        way.b,
        bounds[0],
        bounds[1],
        way.stored_bytes,
        str(arithmetic),
        timed=arithmetic.timed,
        wrong=wrong,
        counters=counters,
    )


def _on_cuda(case: Case, a: Matrix, b: Matrix, context: Context) -> Made:
    from clustermark.benchmarks.kernels.gemm_host_cuda import product
    from clustermark.core.accuracy import product_bound

    name, precision = case.precision, context.precision
    if (str(case.params["variant"]) or CUDA_VARIANTS[name][0]) == "cublaslt":
        from clustermark.benchmarks.kernels.gemm_ways_cuda import on_cublaslt

        return on_cublaslt(precision, a, b, context.device)
    (a, a_values), (b, b_values) = (operand(name, matrix) for matrix in (a, b))
    made = product(name, a, b, context.device)
    own_bound = product_bound(precision, a.shape[1])
    u_in = 0.0 if name == "fp64" else precision.unit_roundoff
    size = a.nbytes + b.nbytes + made.result().nbytes
    result = "int32" if name == "int8" else "fp32" if name == "tf32" else name
    return Made(
        made.step,
        lambda: c_values(name, made.result()),
        a_values,
        b_values,
        own_bound + 2 * u_in + u_in**2,
        own_bound,
        size,
        f"{name} × {name}, sums {precision.accumulate}, result {result}; native",
        least=tf32_error(a.shape[1]) if name == "tf32" else 0.0,
        counters=made.counters,
    )


def operand(precision: str, values: Matrix) -> tuple[Matrix, Matrix]:
    """A float64 matrix as it is stored, and the float64 numbers that it then stands for."""
    import numpy as np

    from clustermark.core import number_formats
    from clustermark.core.precision import PRECISIONS as ROWS

    if precision == "bf16":
        bits = number_formats.bf16_bits(values.astype(np.float32))
        return bits, number_formats.bf16_values(bits)
    stored = values.astype(ROWS[precision].storage)
    return stored, stored.astype(np.float64)


def c_values(precision: str, c: Matrix) -> Matrix:
    """C as numbers: of bf16 the bits are stored."""
    from clustermark.core.number_formats import bf16_values

    return bf16_values(c) if precision == "bf16" else c


def tf32_error(inner: int) -> float:
    """Less than what rounding A and B to TF32 leaves in the worst of 256 entries, more than what fp32 does.

    Each product is off by some 2^-12 of itself, signs random: √k of k products. fp32 leaves about 2^-23 whatever k.
    """
    return 2.0**-13 / inner**0.5


def refuse(case: Case) -> str:
    """What the device's library lacks, variants and inputs that a precision has not, matrices beyond a terabyte."""
    n = int(case.params["n"])
    sizes = {"n": n} | {name: int(case.params[name]) or n for name in ("m", "k")}
    pair = refuse_pair(case, PRECISIONS)
    if pair:
        return pair
    variant, inputs = str(case.params["variant"]), str(case.params["inputs"])
    known = KNOWN[case.device][case.precision]
    if variant and variant not in known:
        return f"has no variant '{variant}' in {case.precision} on {case.device}; use {', '.join(known)}"
    if case.precision == "int8":
        if inputs:
            return f"has integers on -127 … 127 alone in int8, not inputs = '{inputs}'; leave it out"
        if sizes["k"] >= 2**17:
            return f"has k = {sizes['k']}; sums of int8 products fit int32 below 131072"
    if variant == "ozaki" and sizes["k"] >= 2**17:
        return f"has k = {sizes['k']}; sums of int8 products fit int32 below 131072"
    grain = GRAIN.get(case.precision, 1) if case.device == "cuda" else 1
    for name, size in sizes.items():
        if size % grain:
            return f"has {name} = {size}; cuBLAS multiplies {case.precision} in multiples of {grain}"
    gib = (sizes["m"] * sizes["k"] + sizes["k"] * n + sizes["m"] * n) * 8 * case.ranks_per_node / 2**30
    return f"needs {gib:.0f} GiB per node; use a smaller n" if gib > 1024 else ""


GEMM = Workload(
    name="gemm",
    version=2,
    summary="matrix product on every rank: flop/s, componentwise error against |A||B|",
    source="BLAS level 3 (Dongarra et al. 1990); error bound: Higham & Mary, SIAM J. Sci. Comput. 41 (2019)",
    devices=("cpu", "cuda"),
    precisions=all_precisions(PRECISIONS),
    transports=("local", "mpi"),
    prepare=prepare,
    params=(
        Param("n", 1024, "columns of B and C; also m and k where they are 0", check=whole_between(1, 200_000)),
        Param("m", 0, "rows of A and C", check=whole_between(0, 200_000)),
        Param("k", 0, "columns of A", check=whole_between(0, 200_000)),
        Param(
            "variant",
            "",
            "cpu: blas, numba, ozaki (fp64 by int8 residues), simulated; cuda: cublas, cublaslt; empty: the first",
            check=one_of(("blas", "numba", "ozaki", "simulated", "cublas", "cublaslt"), or_empty=True),
        ),
        Param(
            "inputs", "", "centred (empty), positive, wide, cancelling or scaled", check=one_of(INPUTS, or_empty=True)
        ),
    ),
    refuse=refuse,
    ceiling="peak.flop_rate",
    ceiling_devices=("cpu",),  # a GPU multiplies matrices on units of their own; `peak` measures the others
)
