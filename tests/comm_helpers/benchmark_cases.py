"""Small cases of every benchmark of communication, with every option, at sizes that divide by nothing."""

from __future__ import annotations

import itertools
from typing import Any

from clustermark.benchmarks import BENCHMARKS
from clustermark.core.case import Case

NAMES = (
    *("allgather", "allreduce", "alltoall", "broadcast", "halo_exchange", "multi_pair", "pairs", "pingpong"),
    *("random_ring", "reduce_scatter"),
)
SIZES = (0, 1, 7, 5003)


def cases(ranks: int, sizes_of: tuple[int, ...] = SIZES, callers: tuple[str, ...] = ("auto",)) -> list[Case]:
    """Cases on `ranks` ranks; sizes in bytes, or in float64 for sums; by each caller where a benchmark has several."""
    options: dict[str, list[dict[str, Any]]] = {
        "halo_exchange": [{"n": n, "dimensions": d, "width": w} for n, d, w in ((7, 2, 2), (5, 3, 1), (3, 3, 2))],
        "multi_pair": [{"window": 3, "bidirectional": both, "pairs": pairs} for both in (0, 1) for pairs in (0, 1)],
        "pairs": [{"pair": "0-1"}, {"pair": f"{ranks - 2}-{ranks - 1}"}][: ranks - 1],
        "random_ring": [{"rings": 1}, {"rings": 3, "calls": "sendrecv"}, {"random": False}],
        **{name: [{"in_place": False}, {"in_place": True}] for name in ("allgather", "allreduce", "reduce_scatter")},
    }
    found = []
    for name in NAMES:
        workload = BENCHMARKS[name]
        sizes = [{"bytes": size} for size in sizes_of] if workload.param("bytes") else [{}]
        if name in ("allreduce", "reduce_scatter"):
            sizes = [{"bytes": 8 * size} for size in sizes_of if size]
        called = [{"caller": caller} for caller in callers] if workload.param("caller") else [{}]
        for size, option, caller in itertools.product(sizes, options.get(name, [{}]), called):
            typed = {key: type(workload.param(key).default)(value) for key, value in option.items()}  # type: ignore[union-attr]
            params = {p.name: p.default for p in workload.params} | size | typed | caller
            found.append(Case(name, 1, params, "fp64", "cpu", "mpi", "shm", ranks, ranks))
    return found
