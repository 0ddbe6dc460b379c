"""What the declarations of hpl, hpl_mxp and summa share: parameters, their checks, refusals. Imports nothing heavy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from clustermark.core.workload import Param, whole_between

if TYPE_CHECKING:
    from clustermark.benchmarks.dense.lines import Grid
    from clustermark.core.case import Case
    from clustermark.core.context import Context

# Places of rows travel as numbers of the matrix's type, and float32 holds whole ones up to this.
LARGEST = 2**24


def layout_params(n: int, block: int, meaning: str) -> tuple[Param, ...]:
    """n, nb, and the grid."""
    return (
        Param("n", n, "order of the matrices", check=whole_between(1, LARGEST)),
        Param("nb", block, meaning, check=whole_between(1, 4096)),
        Param("p", 0, "rows of the grid of ranks, P; 0: as square as can be, P ≤ Q", check=whole_between(0, 1_000_000)),
        Param("q", 0, "columns of the grid of ranks, Q; 0: ranks / P", check=whole_between(0, 1_000_000)),
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
