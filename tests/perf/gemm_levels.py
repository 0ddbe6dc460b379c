"""Where the matrix product loses what it is below the FMA peak: chains, tiles, blocks from each cache, whole products.

    python tests/perf/gemm_levels.py --type fp64 --n 2048 --rounds 5

Every round does each once with one thread and with two, NumPy beside them; a figure is the median over rounds, and a
share is of the median of the FMA chains on as many threads.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
from conditions import Watch
from precision_vs_peers import ELEMENTS, operands, peak_of, seconds_of
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from clustermark.benchmarks.kernels.gemm_cpu import multiply_block
from clustermark.benchmarks.kernels.gemm_host_cpu import Workspace, multiply

# Operations of one timing of a block.
WORK = 6e8
THREADS = (1, 2)
Rate = Callable[[], float]


@numba.njit(nogil=True)
def blocks_again(tile, a, b, words, c, rows, columns, offsets, scratch, times):
    """The same packed block of A and panels of B, added to C so many times."""
    for _ in range(times):
        multiply_block(tile, a, b, (words, words, 0), c, (0, rows), (0, columns), c.dtype.type(1), 1, offsets, scratch)


def block_rate(element: str, rows: int, columns: int, threads: int) -> Rate:
    """op/s of a block of whole tiles whose panels nobody packs anew, each thread with one of its own."""
    made, tile = [], Workspace(element).tile
    words = Workspace(element).blocks.words
    for _ in range(threads):
        a, b = np.full(rows * words, 0.3, element), np.full(columns * words, 1e-3, element)
        c, offsets = np.zeros((rows, max(columns, 64)), element), np.zeros(columns, element)
        made.append((a, b, c, offsets, np.zeros((tile.rows, tile.columns), element)))
    operations = 2.0 * rows * columns * words
    times = max(1, int(WORK / operations))
    pool = ThreadPoolExecutor(threads)
    kernel: Any = blocks_again

    def one(room: tuple[Any, ...]) -> None:
        a, b, c, offsets, scratch = room
        kernel(tile, a, b, words, c, rows, columns, offsets, scratch, times)

    one(made[0])
    return lambda: threads * times * operations / seconds_of(lambda: list(pool.map(one, made)))


def levels(element: str) -> dict[str, tuple[int, int]]:
    """Name → rows of A and columns of B: what a block finds in which cache."""
    tile, blocks = Workspace(element).tile, Workspace(element).blocks
    return {
        "one tile, both panels in the first cache": (tile.rows, tile.columns),
        "A's block from the second, one panel of B": (blocks.rows, tile.columns),
        "A's block from the second, B's from the third": (blocks.rows, blocks.columns),
    }


def measure(precision: str, n: int, rounds: int) -> tuple[list[list[str]], str]:
    """Rows of the table, and what disturbed them."""
    element = ELEMENTS[precision]
    a, b, c = operands(precision, n)
    whole = 2.0 * n**3
    sides: dict[tuple[str, int], Rate] = {}
    for threads in THREADS:
        sides["FMA chains", threads] = peak_of(precision, threads, time.perf_counter, Workspace(element).dot)
        for name, (rows, columns) in levels(element).items():
            sides[name, threads] = block_rate(element, rows, columns, threads)
        workspace = Workspace(element, threads)
        sides[f"product, n = {n}", threads] = lambda room=workspace: whole / seconds_of(lambda: multiply(a, b, c, room))
        sides["NumPy", threads] = lambda: whole / seconds_of(lambda: np.matmul(a, b, out=c))
    found: dict[tuple[str, int], list[float]] = {key: [] for key in sides}
    with Watch(pressure_counts=False) as watch:
        for number in range(rounds + 1):
            for key, rate in sides.items():
                with threadpool_limits(key[1]):
                    value = rate()
                found[key] += [value] if number else []
    middle = {key: float(np.median(values)) for key, values in found.items()}
    lines = []
    for name in dict.fromkeys(name for name, _ in sides):
        shown = [
            f"{middle[name, threads] / 1e9:.1f}, {middle[name, threads] / middle['FMA chains', threads]:.0%}"
            for threads in THREADS
        ]
        lines.append([precision, name, *shown])
    return lines, watch.load


def main() -> int:
    """Print a table of Gflop/s and shares of the peak."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--type", default="fp64", choices=("fp64", "fp32"))
    parser.add_argument("--n", type=int, default=2048)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    lines, load = measure(options.type, options.n, options.rounds)
    print(tabulate(lines, ["type", "what", "one thread", "two threads"], disable_numparse=True))
    print(load or "quiet machine")
    return 0


if __name__ == "__main__":
    sys.exit(main())
