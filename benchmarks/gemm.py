"""GEMM: C = AB on every rank's own matrices, through NumPy's BLAS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clustermark.core.workload import Amount, Check, Param, ParamValue, Trial, Workload

if TYPE_CHECKING:
    from collections.abc import Callable

    from clustermark.core.case import Case
    from clustermark.core.context import Context


def prepare(case: Case, context: Context) -> Trial:
    """A (m, k), B (k, n) uniform on (-½, ½), fresh per case and rank; a step is one numpy.matmul into C.

    Zeros or constants would flatter the clock of some processors, so the data are random.
    """
    from functools import partial

    import numpy as np

    from clustermark.core.accuracy import product_bound, product_error

    n = int(case.params["n"])
    m, k = (int(case.params[name]) or n for name in ("m", "k"))
    precision, device, transport = context.precision, context.device, context.transport
    a = device.from_host(context.rng.uniform(-0.5, 0.5, (m, k)).astype(precision.storage))
    b = device.from_host(context.rng.uniform(-0.5, 0.5, (k, n)).astype(precision.storage))
    c = device.empty((m, n), precision.storage)

    def check() -> Check:
        found = product_error(device.to_host(a), device.to_host(b), device.to_host(c), context.rng)
        bound = product_bound(precision, k)
        error = transport.maximum(found.error)
        return Check("|C - AB| / (|A||B|)", error, bound, error <= bound, found.detail)

    flop = 2.0 * m * n * k * case.ranks
    least_bytes = float(m * k + k * n + m * n) * np.dtype(precision.storage).itemsize * case.ranks
    work = {"flop_rate": Amount(flop, "flop"), "least_bandwidth": Amount(least_bytes, "B")}
    return Trial(partial(np.matmul, a, b, out=c), check, work)


def _size(least: int) -> Callable[[ParamValue], str]:
    def check(value: ParamValue) -> str:
        return "" if isinstance(value, int) and least <= value <= 200_000 else f"expected {least} to 200000"

    return check


def refuse(case: Case) -> str:
    """Matrices that all ranks of a node together could not hold in a terabyte."""
    n = int(case.params["n"])
    m, k = (int(case.params[name]) or n for name in ("m", "k"))
    gib = (m * k + k * n + m * n) * 8 * case.ranks_per_node / 2**30
    return f"needs {gib:.0f} GiB per node; use a smaller n" if gib > 1024 else ""


GEMM = Workload(
    name="gemm",
    version=1,
    summary="matrix product on every rank: flop/s, componentwise error against |A||B|",
    source="BLAS level 3 (Dongarra et al. 1990); error bound: Higham & Mary, SIAM J. Sci. Comput. 41 (2019)",
    devices=("cpu",),
    precisions=("fp64", "fp32"),
    transports=("local", "mpi"),
    prepare=prepare,
    params=(
        Param("n", 1024, "columns of B and C; also m and k where they are 0", check=_size(1)),
        Param("m", 0, "rows of A and C", check=_size(0)),
        Param("k", 0, "columns of A", check=_size(0)),
    ),
    refuse=refuse,
    ceiling="peak.flop_rate",
)
