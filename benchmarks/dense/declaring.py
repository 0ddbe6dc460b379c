"""What hpl, hpl_mxp and summa share: the declaration, refusals, memory, grid and BLAS. Imports nothing heavy."""

from __future__ import annotations

import math
from dataclasses import dataclass
from string import ascii_letters
from typing import TYPE_CHECKING, Any

from clustermark.core.precision import PRECISIONS
from clustermark.core.workload import Param, whole_between

if TYPE_CHECKING:
    from clustermark.benchmarks.dense.home import Home
    from clustermark.benchmarks.dense.lines import Grid
    from clustermark.core.case import Case
    from clustermark.core.context import Context
    from clustermark.devices.blas import Blas

# Places of rows travel as numbers of the matrix's type, and float32 holds whole ones up to this.
LARGEST = 2**24
# What their declarations say alike.
ON_A_GRID: dict[str, Any] = {
    "version": 1,
    "devices": ("cpu", "cuda"),
    "transports": ("local", "mpi"),
    "ceiling": "peak.flop_rate",
    "ceiling_devices": ("cpu",),  # as gemm: a GPU multiplies on units that `peak` does not measure
}


def layout_params(n: int, block: int, meaning: str) -> tuple[Param, ...]:
    """n, nb with its meaning, and the grid."""
    ranks = whole_between(0, 1_000_000)
    return (
        Param("n", n, "order of the matrices", check=whole_between(1, LARGEST)),
        Param("nb", block, meaning, check=whole_between(1, 4096)),
        Param("p", 0, "rows of the grid of ranks, P; 0: as square as can be, P ≤ Q", check=ranks),
        Param("q", 0, "columns of the grid of ranks, Q; 0: ranks / P", check=ranks),
    )


def refuse_layout(case: Case) -> str:
    """Blocks larger than the matrix, grids that are not the ranks."""
    n, block, rows, columns = (int(case.params[name]) for name in ("n", "nb", "p", "q"))
    if block > n:
        return f"has blocks of nb = {block} and a matrix of n = {n}; use nb ≤ {n}"
    if shape_of(case) == (0, 0):
        given = f"{rows or '?'}×{columns or '?'}"
        return f"has a grid p×q of {given} for {case.ranks} ranks; use p·q = {case.ranks}, or 0 for both"
    return ""


def shape_of(case: Case) -> tuple[int, int]:
    """P and Q of a case; 0 stands for "choose": as square as can be, P ≤ Q as HPL advises. (0, 0) where none fits."""
    from clustermark.transports.grid import balanced_shape

    rows, columns, ranks = int(case.params["p"]), int(case.params["q"]), case.ranks
    if not rows and not columns:
        wide, high = balanced_shape(ranks, 2)
        return high, wide
    rows, columns = rows or ranks // columns, columns or ranks // rows
    return (rows, columns) if rows * columns == ranks else (0, 0)


def grid_of(case: Case, context: Context) -> Grid:
    """The grid of a case on the ranks of its launch; collective."""
    from clustermark.benchmarks.dense.lines import make_grid

    transport: Any = context.transport
    return make_grid(transport.comm if transport.size > 1 else None, *shape_of(case))


def bytes_of_type(name: str) -> int:
    """[B] of a number of a NumPy type, by its name."""
    return int(name.strip(ascii_letters)) // 8


def item_of(case: Case) -> int:
    """[B] of a number of the case's precision."""
    return bytes_of_type(PRECISIONS[case.precision].storage)


def rows_and_columns(case: Case) -> tuple[int, int]:
    """No fewer than any rank has of a matrix."""
    block = int(case.params["nb"])
    rows, columns = (math.ceil(int(case.params["n"]) / processes) + block for processes in shape_of(case))
    return rows, columns


def solver_bytes(case: Case, items: tuple[int, ...]) -> float:
    """[B] of one rank of a solver: its part of a matrix for each size of a number, two panels and two sets of rows.

    The last size is that of the factors, in which panels and rows are held. On cuda the matrices are the GPU's, which
    says itself when it is full.
    """
    block, work = int(case.params["nb"]), items[-1]
    rows, columns = rows_and_columns(case)
    whole = sum(items) * rows * columns if case.device == "cpu" else 0
    return float(whole + work * block * (2 * (rows + block) + 4 * columns))


@dataclass(frozen=True)
class Ground:
    """What a trial of any of the three begins with; `blas` is the host's, `counters` is to be added to."""

    n: int
    block: int
    dtype: str
    grid: Grid
    blas: Blas
    home: Home
    counters: dict[str, float]


def ground_of(case: Case, context: Context, needed: float) -> Ground:
    """Grid and BLAS of a case whose ranks are about to allocate `needed` bytes each; collective.

    Raises
    ------
    ClustermarkError : where a node has too little memory
    """
    from clustermark.benchmarks.dense.home import home_of
    from clustermark.benchmarks.dense.memory import require_memory
    from clustermark.devices.blas import open_blas

    require_memory(case, context.transport, needed)
    blas, grid = open_blas(), grid_of(case, context)
    counters = {"process rows": float(grid.rows), "BLAS called directly": float(blas.direct)}
    if context.device.asynchronous:
        from clustermark.benchmarks.kernels.gemm_host_cuda import emulation

        counters |= emulation()
    n, block, dtype = int(case.params["n"]), int(case.params["nb"]), context.precision.storage
    return Ground(n, block, dtype, grid, blas, home_of(context.device), counters)
