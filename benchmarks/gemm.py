"""GEMM: C = AB on every rank's own matrices, through NumPy's BLAS or cuBLAS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.core.workload import Amount, Check, Param, ParamValue, Trial, Workload, all_precisions, refuse_pair

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from clustermark.core.case import Case
    from clustermark.core.context import Context

    Matrix = npt.NDArray[np.generic]

# Device → what its library multiplies. NumPy's has no other types; CuPy's gemmEx does no fp8, which is cuBLASLt's.
PRECISIONS = {"cpu": ("fp64", "fp32"), "cuda": ("fp64", "fp32", "tf32", "fp16", "bf16", "int8")}
# Multiples that cuBLAS wants of m, n and k.
GRAIN = {"int8": 4}


def prepare(case: Case, context: Context) -> Trial:
    """A (m, k), B (k, n) uniform on (-½, ½), int8 on -127 … 127, fresh per case and rank; a step is one product into C.

    Zeros or constants would flatter the clock of some processors, so the data are random.
    """
    from functools import partial

    import numpy as np

    from clustermark.core.accuracy import product_bound, product_error

    n = int(case.params["n"])
    m, k = (int(case.params[name]) or n for name in ("m", "k"))
    precision, device, transport = context.precision, context.device, context.transport
    (a, a_values), (b, b_values) = (operand(precision.name, shape, context.rng) for shape in ((m, k), (k, n)))
    counters: dict[str, float] = {}
    if case.device == "cuda":
        from clustermark.benchmarks.kernels.gemm_host_cuda import product

        made = product(precision.name, a, b, device)
        step, result, counters = made.step, made.result, made.counters
    else:
        on_device = [device.from_host(matrix) for matrix in (a, b)]
        c = device.empty((m, n), precision.storage)
        step, result = partial(np.matmul, *on_device, out=c), lambda: device.to_host(c)

    def check() -> Check:
        found = product_error(a_values, b_values, c_values(precision.name, result()), context.rng)
        bound = product_bound(precision, k)
        error = transport.maximum(found.error)
        least = tf32_error(k) if precision.name == "tf32" else 0.0
        detail = found.detail
        if error < least:
            detail = f"an error below {least:.1e} is that of fp32: the product was not done in TF32"
        return Check("|C - AB| / (|A||B|)", error, bound, least <= error <= bound, detail)

    flop = Amount(2.0 * m * n * k * case.ranks, "op" if precision.name == "int8" else "flop")
    least_bytes = (a.nbytes + b.nbytes + np.dtype(precision.storage).itemsize * m * n) * float(case.ranks)
    work = {"flop_rate": flop, "least_bandwidth": Amount(least_bytes, "B")}
    return Trial(step, check, work, counters=counters)


def operand(precision: str, shape: tuple[int, int], rng: np.random.Generator) -> tuple[Matrix, Matrix]:
    """Random matrix as it is stored, and the float64 numbers that it stands for, both of `shape`."""
    import numpy as np

    from clustermark.core import number_formats
    from clustermark.core.precision import PRECISIONS as ROWS

    if precision == "int8":
        whole = rng.integers(-127, 128, shape, np.int8)
        return whole, whole.astype(np.float64)
    values = rng.uniform(-0.5, 0.5, shape)
    if precision == "bf16":
        bits = number_formats.bf16_bits(values)
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


def _size(least: int) -> Callable[[ParamValue], str]:
    def check(value: ParamValue) -> str:
        return "" if isinstance(value, int) and least <= value <= 200_000 else f"expected {least} to 200000"

    return check


def refuse(case: Case) -> str:
    """Precisions that the device's library lacks, sizes that it does not take, matrices beyond a terabyte per node."""
    n = int(case.params["n"])
    sizes = {"n": n} | {name: int(case.params[name]) or n for name in ("m", "k")}
    pair = refuse_pair(case, PRECISIONS)
    if pair:
        return pair
    grain = GRAIN.get(case.precision, 1)
    for name, size in sizes.items():
        if size % grain:
            return f"has {name} = {size}; cuBLAS multiplies {case.precision} in multiples of {grain}"
    gib = (sizes["m"] * sizes["k"] + sizes["k"] * n + sizes["m"] * n) * 8 * case.ranks_per_node / 2**30
    return f"needs {gib:.0f} GiB per node; use a smaller n" if gib > 1024 else ""


GEMM = Workload(
    name="gemm",
    version=1,
    summary="matrix product on every rank: flop/s, componentwise error against |A||B|",
    source="BLAS level 3 (Dongarra et al. 1990); error bound: Higham & Mary, SIAM J. Sci. Comput. 41 (2019)",
    devices=("cpu", "cuda"),
    precisions=all_precisions(PRECISIONS),
    transports=("local", "mpi"),
    prepare=prepare,
    params=(
        Param("n", 1024, "columns of B and C; also m and k where they are 0", check=_size(1)),
        Param("m", 0, "rows of A and C", check=_size(0)),
        Param("k", 0, "columns of A", check=_size(0)),
    ),
    refuse=refuse,
    ceiling="peak.flop_rate",
    ceiling_devices=("cpu",),  # a GPU multiplies matrices on units of their own; `peak` measures the others
)
