"""Host of the CPU's matrix product: which instruction, how blocks are cut, buffers, threads."""

from __future__ import annotations

from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.kernels import gemm_cpu
from clustermark.devices.simd_dots import Dot, choose_dot, host_features
from clustermark.devices.simd_tiles import Tile, TileType, tile_of

Matrix = npt.NDArray[Any]
LINE = 64
# Operations below which a second thread costs more than it saves.
SMALL = 2e6


@dataclass(frozen=True)
class Blocks:
    """What is packed at a time: rows of A (for the second cache), columns of B (the third), inner words (the first).

    `deep` inner words of B are packed at once, a multiple of `words`; with more than one, C's block stays in the second
    cache, too.
    """

    rows: int
    columns: int
    words: int
    deep: int


# By bytes of a word. A panel of B takes half of 32 KiB or a little more, A's block a fifth of 512 KiB, B's block 1.5 to
# 2 MiB: larger ones are slower where other programs share the caches.
BLOCKS = {8: Blocks(48, 1024, 256, 256), 4: Blocks(48, 1024, 384, 384)}
# Of a matrix unit, whose CPUs have 48 KiB and 2 MiB: products are so fast that every pass over C counts.
MATRIX_BLOCKS = Blocks(256, 512, 512, 1024)


@dataclass(frozen=True)
class Buffers:
    """Room of one thread: packed panels of A and B, corrections of columns, one tile."""

    a: Matrix
    b: Matrix
    offsets: Matrix
    scratch: Matrix


class Workspace:
    """What products of one type need: the tile, buffers of every thread, and the threads.

    Attributes
    ----------
    dot : how products are added up
    threads : most that work at a time
    """

    def __init__(
        self, element: str, threads: int = 1, features: Collection[str] | None = None, dot: Dot | None = None
    ) -> None:
        """Allocates, and compiles where no cache has the code.

        Parameters
        ----------
        element : NumPy type of A and B: float64, float32, int8, or uint16 for the bits of bfloat16
        threads : of a product
        features : of the CPU; None for those of this one
        dot : None for the best that the features allow
        """
        self.dot = dot or choose_dot(element, host_features() if features is None else features)
        self.threads = threads
        self.tile = tile_of(self.dot)
        self.kernel = compiled(self.tile)
        size = np.dtype(self.dot.word).itemsize
        tuned = MATRIX_BLOCKS if self.dot.matrix else BLOCKS[size]
        rows, columns = (
            _up(count, unit) for count, unit in ((tuned.rows, self.tile.rows), (tuned.columns, self.tile.columns))
        )
        self.blocks = Blocks(rows, columns, *(_up(count, self.tile.unit) for count in (tuned.words, tuned.deep)))
        self.buffers = [self._room() for _ in range(threads)]
        self.pool = ThreadPoolExecutor(threads - 1) if threads > 1 else None

    def _room(self) -> Buffers:
        blocks, dot = self.blocks, self.dot
        return Buffers(
            _aligned(blocks.rows * blocks.words, dot.word),
            _aligned(blocks.columns * blocks.deep, dot.word),
            _aligned(blocks.columns, dot.total),
            _aligned(self.tile.rows * self.tile.columns, dot.total).reshape(self.tile.rows, self.tile.columns),
        )


def multiply(
    a: Matrix, b: Matrix, c: Matrix, workspace: Workspace, alpha: float = 1.0, accumulate: bool = False
) -> None:
    """C = αAB, or C += αAB, on the threads of the workspace; one product at a time per workspace.

    Parameters
    ----------
    a, b, c : (m, k), (k, n), (m, n), any strides, C beside A and B; numbers of the workspace's element, C of its sums
    alpha : an integer where sums are
    accumulate : whether C is added to, else it is not read

    Raises
    ------
    ValueError : shapes or types do not fit, or int32 sums could overflow
    """
    _check(a, b, c, workspace.dot)
    (m, k), n = a.shape, b.shape[1]
    if k == 0 or m == 0 or n == 0:
        if not accumulate:
            c.fill(0)
        return
    factor = c.dtype.type(alpha)
    blocks = workspace.blocks
    inner = (count * workspace.dot.group for count in (blocks.words, blocks.deep))
    lengths = (blocks.rows, blocks.columns, *inner)
    across = b.T

    def piece(place: tuple[slice, slice], room: Buffers) -> None:
        rows, columns = place
        operands = (a[rows], across[columns], c[rows, columns], factor, int(accumulate), lengths)
        workspace.kernel(workspace.tile, *operands, room.a, room.b, room.offsets, room.scratch)

    threads = workspace.threads if 2.0 * m * n * k >= SMALL else 1
    places = pieces(m, n, threads, workspace.tile)
    pool = workspace.pool
    others = [pool.submit(piece, *one) for one in zip(places[1:], workspace.buffers[1:], strict=False)] if pool else []
    piece(places[0], workspace.buffers[0])
    for other in others:
        other.result()


def pieces(m: int, n: int, threads: int, tile: Tile) -> list[tuple[slice, slice]]:
    """Rows and columns of C for each thread, whole tiles: the grid of threads that packs least, by rows where even."""
    down, across = -(-m // tile.rows), -(-n // tile.columns)
    grids = [(p, threads // p) for p in range(threads, 0, -1) if threads % p == 0]
    p, q = min(grids, key=lambda grid: (-min(grid[0], down) * min(grid[1], across), m / grid[0] + n / grid[1]))
    p, q = min(p, down), min(q, across)
    rows, columns = (
        [slice(parts * i // count * unit, min(parts * (i + 1) // count * unit, size)) for i in range(count)]
        for parts, count, unit, size in ((down, p, tile.rows, m), (across, q, tile.columns, n))
    )
    return [(row, column) for row in rows for column in columns]


def _check(a: Matrix, b: Matrix, c: Matrix, dot: Dot) -> None:
    if not (a.ndim == b.ndim == c.ndim == 2 and a.shape[1] == b.shape[0] and c.shape == (a.shape[0], b.shape[1])):
        raise ValueError(f"C {c.shape} = A {a.shape} B {b.shape}: expected (m, n) = (m, k) (k, n)")
    found = [str(matrix.dtype) for matrix in (a, b, c)]
    if found != [dot.element, dot.element, dot.total]:
        raise ValueError(f"types {', '.join(found)}: expected {dot.element}, {dot.element}, {dot.total}")
    if dot.total == "int32" and a.shape[1] > MOST_INT8:
        raise ValueError(f"k = {a.shape[1]}: sums of int8 products fit int32 up to {MOST_INT8}; cut the product")


# 2^14, the largest product of two int8, that often stays below 2^31.
MOST_INT8 = 2**17 - 1


def _up(count: int, unit: int) -> int:
    return -(-count // unit) * unit


def _aligned(count: int, dtype: str) -> Matrix:
    """Touched room whose address is a multiple of LINE."""
    room = np.zeros(count + LINE, dtype)
    first = -room.ctypes.data % LINE // room.itemsize
    return room[first : first + count]


@lru_cache(maxsize=64)
def compiled(tile: Tile, cache: bool = True) -> Any:
    """`multiply_panels` for a tile; one machine code for every stride of A, B and C."""
    dot = tile.dot
    element, word, total = (numba.from_dtype(np.dtype(name)) for name in (dot.element, dot.word, dot.total))
    flat, sums = numba.types.Array(word, 1, "C"), numba.types.Array(total, 1, "C")
    numbers, result = (numba.types.Array(kind, 2, "A") for kind in (element, total))
    kind: Any = numba.njit(nogil=True, cache=cache)(gemm_cpu.multiply_panels)
    integers = (numba.int64, numba.types.UniTuple(numba.int64, 4))
    matrices = (numbers, numbers, result, total)
    kind.compile(
        numba.void(TileType(dot.name, tile.rows, tile.vectors), *matrices, *integers, flat, flat, sums, result)
    )
    kind.disable_compile()
    return kind
