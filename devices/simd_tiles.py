"""Products of panels in registers: a tile of C, rows × vectors of sums, takes one word after another.

The sums stay in registers for the whole length of the panels: per word, `vectors` loads of B's and `rows` broadcasts
of A's serve rows × vectors additions of products (Van Zee & van de Geijn, BLIS, ACM TOMS 41, 2015, micro-kernel).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel.models import OpaqueModel
from numba.core.pythonapi import NativeValue
from numba.extending import register_model, typeof_impl, unbox

from clustermark.devices.simd_dots import DOTS, SIDE, Dot
from clustermark.devices.simd_matrix_product import matrix_product
from clustermark.devices.simd_memory import LINE, TO_READ_LATER, bytes_at, entry_at, prefetch
from clustermark.devices.simd_types import operation, spread

# Words per turn of the loop of vectors.
UNROLL = 4
# Bytes of a vector → rows and vectors of a tile: sums, B's vectors and a broadcast fill 32 registers or 16.
SHAPES = {64: (12, 2), 32: (6, 2), 16: (6, 2)}
# Of a matrix unit: two by two of its tiles are the sums, two the rows of A, two the columns of B.
MATRIX_SHAPE = (2 * SIDE, 2)
# Ways whose products need registers of their own before they are added.
NARROWER = {"int8 vpmaddwd 512": (8, 2)}
# Bytes by which A's panel, which comes from the second cache, is asked for beforehand.
AHEAD = 1024
POINTER = ir.IntType(64)


@dataclass(frozen=True)
class Tile:
    """A tile of C in registers, carried into kernels by its type: which sums of products, how many rows and columns."""

    dot: Dot
    rows: int
    vectors: int

    @property
    def columns(self) -> int:
        """Of C in one tile."""
        return self.vectors * self.dot.lanes

    @property
    def unit(self) -> int:
        """Words per turn of the loop over panels, which are filled up with zeros to a multiple of it."""
        return SIDE if self.dot.matrix else UNROLL


def tile_of(dot: Dot) -> Tile:
    """The tile that suits the registers of a way to add products."""
    if dot.matrix:
        return Tile(dot, *MATRIX_SHAPE)
    rows, vectors = NARROWER.get(dot.name) or SHAPES[dot.lanes * np.dtype(dot.total).itemsize]
    return Tile(dot, rows, vectors)


class TileType(types.Type):
    """Numba's type of a Tile."""

    def __init__(self, dot: str, rows: int, vectors: int) -> None:
        """`dot` is a name in DOTS."""
        self.tile = Tile(DOTS[dot], rows, vectors)
        super().__init__(name=f"Tile({dot}, {rows}, {vectors})")


register_model(TileType)(OpaqueModel)


@typeof_impl.register(Tile)
def _type_of_tile(value: Tile, context: Any) -> TileType:
    return TileType(value.dot.name, value.rows, value.vectors)


def _unbox_tile(kind: Any, value: Any, c: Any) -> Any:
    return NativeValue(c.context.get_dummy_value())


unbox(TileType)(_unbox_tile)


def _constant(read: Any) -> Any:
    """Intrinsic of a number that a tile's type knows."""

    def generator(typing_context: Any, tile: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return ir.Constant(POINTER, read(tile.tile))

        return types.int64(tile), generate

    return operation(generator)


tile_rows = _constant(lambda tile: tile.rows)
tile_columns = _constant(lambda tile: tile.columns)
tile_group = _constant(lambda tile: tile.dot.group)
tile_unsigned = _constant(lambda tile: int(tile.dot.unsigned))
tile_unit = _constant(lambda tile: tile.unit)
tile_matrix = _constant(lambda tile: int(tile.dot.matrix))


@operation
def panel_offsets(typing_context: Any, tile: Any, b: Any, b_at: Any, words: Any, offsets: Any, at: Any) -> Any:
    """offsets[at : at + columns] = −Σ 128·b over each column of a panel of B, by the tile's own sums of products.

    Nothing unless the tile's bytes are unsigned.
    """
    shape = tile.tile

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, b_array, b_first, length, sums_array, first = arguments
        if not shape.dot.unsigned:
            return context.get_dummy_value()
        lanes, size = shape.dot.lanes, 4
        vector = ir.VectorType(ir.IntType(32), lanes)
        zero: Any = ir.Constant(vector, None)
        slots = [cgutils.alloca_once_value(builder, zero) for _ in range(shape.vectors)]
        start = bytes_at(context, builder, b, b_array, b_first)
        each_128: Any = ir.Constant(vector, [0x80808080] * lanes)
        with cgutils.for_range(builder, length) as loop:
            here = builder.gep(start, [builder.mul(loop.index, ir.Constant(POINTER, shape.columns * size))])
            for v, slot in enumerate(slots):
                words_here = builder.load(_at(builder, here, v * lanes * size, vector), align=size)
                builder.store(shape.dot.emit(builder, builder.load(slot), each_128, words_here), slot)
        into = bytes_at(context, builder, offsets, sums_array, first)
        for v, slot in enumerate(slots):
            builder.store(
                builder.sub(zero, builder.load(slot)), _at(builder, into, v * lanes * size, vector), align=size
            )
        return context.get_dummy_value()

    return types.void(tile, b, b_at, words, offsets, at), generate


def _at(builder: Any, start: Any, offset: int, kind: Any) -> Any:
    return builder.bitcast(builder.gep(start, [ir.Constant(POINTER, offset)]), kind.as_pointer())


@operation
def tile_product(
    typing_context: Any, tile: Any, a: Any, a_at: Any, b: Any, b_at: Any, words: Any, c: Any, i: Any, j: Any, more: Any
) -> Any:
    """C[i : i + rows, j : j + columns] = start + alpha·A·B, or that added to it; no bounds are checked.

    Parameters
    ----------
    tile : a Tile
    a, a_at, b, b_at : flat arrays of words, where the panels begin: `rows` words, or `columns`, per inner word
    words : length of the panels, a multiple of the tile's unit
    c : (·, ·) array of the tile's sums, whose columns lie one behind the other
    more : (alpha, accumulate, start, start_at, next_at, step): a factor; whether C is added to; a flat array with the
        initial sum of each column (read only by a tile whose bytes are unsigned); the element of b from which on a line
        is asked for in every turn of the loop, and how many bytes lie between two
    """
    shape = tile.tile

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _, a_array, a_first, b_array, b_first, length, c_array, row, column, rest = arguments
        alpha, accumulate, start_array, start_first, next_first, step = cgutils.unpack_tuple(builder, rest)
        if shape.dot.matrix:
            panels = bytes_at(context, builder, a, a_array, a_first), bytes_at(context, builder, b, b_array, b_first)
            corner, down, _ = entry_at(context, builder, c, c_array, row, column)
            matrix_product(builder, shape.dot, panels, length, (corner, down), (alpha, accumulate))
            return context.get_dummy_value()
        total = ir.VectorType(context.get_value_type(c.dtype), shape.dot.lanes)
        size = c.dtype.bitwidth // 8
        places = [(r, v) for r in range(shape.rows) for v in range(shape.vectors)]
        zero: Any = ir.Constant(total, None)
        first = [zero] * shape.vectors
        if shape.dot.unsigned:
            begin = bytes_at(context, builder, more[2], start_array, start_first)
            wide = [_at(builder, begin, v * shape.dot.lanes * size, total) for v in range(shape.vectors)]
            first = [builder.load(pointer, align=size) for pointer in wide]
        corner, down, _ = entry_at(context, builder, c, c_array, row, column)
        lines = [builder.gep(corner, [builder.mul(down, ir.Constant(POINTER, r))]) for r in range(shape.rows)]
        # Rows of C seldom begin with a line, so the last entry is in one of its own.
        last = shape.columns * size - 1
        for line in lines:
            for offset in (*range(0, last, LINE), last):
                prefetch(builder, builder.gep(line, [ir.Constant(POINTER, offset)]))
        sums = {place: cgutils.alloca_once_value(builder, first[place[1]]) for place in places}
        coming = bytes_at(context, builder, b, b_array, next_first), step
        _panels(context, builder, shape, (a, a_array, a_first), (b, b_array, b_first), length, sums, coming)
        factor = spread(builder, alpha, shape.dot.lanes)
        whole = isinstance(c.dtype, types.Integer)
        times, plus = (builder.mul, builder.add) if whole else (builder.fmul, builder.fadd)
        with builder.if_else(builder.trunc(accumulate, ir.IntType(1))) as branches:
            for branch, adds in zip(branches, (True, False), strict=True):
                with branch:
                    for r, v in places:
                        pointer = _at(builder, lines[r], v * shape.dot.lanes * size, total)
                        value = times(builder.load(sums[r, v]), factor)
                        value = plus(builder.load(pointer, align=size), value) if adds else value
                        builder.store(value, pointer, align=size)
        return context.get_dummy_value()

    return types.void(tile, a, a_at, b, b_at, words, c, i, j, more), generate


def _panels(context: Any, builder: Any, shape: Tile, a: Any, b: Any, length: Any, sums: Any, coming: Any) -> None:
    """The loop over the words of both panels; `coming` is where lines are asked for, and the bytes from one to another.

    Whoever comes to a panel of B first would wait for the third cache: its lines come while tiles of the one before
    are done, into the second, because the first is full.
    """
    word = context.get_value_type(a[0].dtype)
    size = a[0].dtype.bitwidth // 8
    vector = ir.VectorType(word, shape.dot.lanes)
    left, right = (bytes_at(context, builder, *side) for side in (a, b))
    turns = builder.sdiv(length, ir.Constant(POINTER, UNROLL))
    with cgutils.for_range(builder, turns) as loop:
        here = builder.gep(left, [builder.mul(loop.index, ir.Constant(POINTER, UNROLL * shape.rows * size))])
        there = builder.gep(right, [builder.mul(loop.index, ir.Constant(POINTER, UNROLL * shape.columns * size))])
        for line in range(0, UNROLL * shape.rows * size, LINE):
            prefetch(builder, builder.gep(here, [ir.Constant(POINTER, AHEAD + line)]))
        prefetch(builder, builder.gep(coming[0], [builder.mul(loop.index, coming[1])]), TO_READ_LATER)
        for step in range(UNROLL):
            columns = [
                builder.load(
                    _at(builder, there, (step * shape.columns + v * shape.dot.lanes) * size, vector), align=size
                )
                for v in range(shape.vectors)
            ]
            for r in range(shape.rows):
                scalar = builder.load(_at(builder, here, (step * shape.rows + r) * size, word), align=size)
                row = spread(builder, scalar, shape.dot.lanes)
                for v in range(shape.vectors):
                    slot = sums[r, v]
                    builder.store(shape.dot.emit(builder, builder.load(slot), row, columns[v]), slot)
