"""Products of panels in the tiles of a matrix unit, and panels packed for it; part of devices/simd_tiles.py.

A's panel has, per 16 words of the inner index, 32 rows of 16 words, which are two tiles; B's has 32 columns per word,
so that 16 words are two tiles beside each other. Two by two tiles of sums take four loads per four products.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types

from clustermark.devices.simd_dots import SIDE, Dot, joined
from clustermark.devices.simd_matrix import LONG, ROW, WORD, unit_of
from clustermark.devices.simd_memory import BYTE, LINE, bytes_at, entry_at
from clustermark.devices.simd_types import operation, spread

# Which tiles are the sums, row by row, which A's rows, which B's columns.
SUMS, OF_A, OF_B = ((0, 1), (2, 3)), (4, 5), (6, 7)
PLACES = ((0, 0), (0, 1), (1, 0), (1, 1))
# Bytes of one turn's words in a panel.
TURN = 2 * SIDE * ROW


def matrix_product(
    builder: Any, dot: Dot, panels: tuple[Any, Any], words: Any, c: tuple[Any, Any], more: tuple[Any, Any]
) -> None:
    """C = alpha·A·B or that added to C, 32 × 32 sums, columns side by side.

    Parameters
    ----------
    panels : pointers to A's (per 16 words 32 rows of them) and B's (per word 32 columns)
    words : a multiple of 16
    c : pointer to the first sum, and bytes between rows
    more : alpha, of the type of the sums, and whether C is added to
    """
    unit, (corner, down), (alpha, accumulate) = unit_of(builder, dot), c, more
    whole = isinstance(alpha.type, ir.IntType)
    plain = (builder.icmp_signed if whole else builder.fcmp_ordered)("==", alpha, ir.Constant(alpha.type, 1))
    adds = builder.trunc(accumulate, ir.IntType(1))
    row, wide = ir.Constant(LONG, ROW), ir.Constant(LONG, 2 * ROW)

    def corner_of(start: Any, r: int, v: int, stride: Any) -> Any:
        below = builder.gep(start, [builder.mul(stride, ir.Constant(LONG, r * SIDE))])
        return builder.gep(below, [ir.Constant(LONG, v * ROW)])

    with builder.if_else(builder.and_(plain, adds)) as (from_c, from_zero):
        with from_c:
            for r, v in PLACES:
                unit.load(SUMS[r][v], corner_of(corner, r, v, down), down)
        with from_zero:
            for r, v in PLACES:
                unit.zero(SUMS[r][v])
    with cgutils.for_range(builder, builder.sdiv(words, ir.Constant(LONG, SIDE))) as loop:
        here, there = (builder.gep(panel, [builder.mul(loop.index, ir.Constant(LONG, TURN))]) for panel in panels)
        for part in range(2):
            unit.load(OF_A[part], builder.gep(here, [ir.Constant(LONG, part * SIDE * ROW)]), row)
            unit.load(OF_B[part], builder.gep(there, [ir.Constant(LONG, part * ROW)]), wide)
        for r, v in PLACES:
            unit.multiply(SUMS[r][v], OF_A[r], OF_B[v])
    with builder.if_else(plain) as (to_c, by_factor):
        with to_c:
            for r, v in PLACES:
                unit.store(SUMS[r][v], corner_of(corner, r, v, down), down)
        with by_factor:
            aside = _room(builder, 2 * SIDE * 2 * ROW)
            for r, v in PLACES:
                unit.store(SUMS[r][v], corner_of(aside, r, v, wide), wide)
            _add(builder, aside, c, alpha, adds)


def _room(builder: Any, size: int) -> Any:
    """Pointer to bytes on the stack that begin a line."""
    slot = cgutils.alloca_once(builder, ir.ArrayType(BYTE, size))
    slot.align = LINE
    return builder.bitcast(slot, BYTE.as_pointer())


def _add(builder: Any, aside: Any, c: tuple[Any, Any], alpha: Any, adds: Any) -> None:
    """C = alpha times 32 × 32 sums that lie aside, or that added to C."""
    (corner, down), total = c, ir.VectorType(alpha.type, SIDE)
    whole = isinstance(alpha.type, ir.IntType)
    times, plus = (builder.mul, builder.add) if whole else (builder.fmul, builder.fadd)
    factor, none = spread(builder, alpha, SIDE), ir.Constant(total, None)
    with cgutils.for_range(builder, ir.Constant(LONG, 2 * SIDE)) as loop:
        line = builder.gep(corner, [builder.mul(loop.index, down)])
        for v in range(2):
            step = ir.Constant(LONG, v * ROW)
            offset = builder.add(builder.mul(loop.index, ir.Constant(LONG, 2 * ROW)), step)
            sums = builder.load(builder.bitcast(builder.gep(aside, [offset]), total.as_pointer()), align=4)
            place = builder.bitcast(builder.gep(line, [step]), total.as_pointer())
            value = times(sums, factor)
            # C is not read where it is not added to: it may be no number.
            before = builder.select(adds, builder.load(place, align=4), none)
            builder.store(plus(value, before), place, align=4)


@operation
def pack_square(typing_context: Any, tile: Any, x: Any, i: Any, k: Any, buffer: Any, at: Any, lines: Any) -> Any:
    """buffer[at + 16·r + w] = word w from column k on of row i + r of x, 16 rows of 16 words; no bounds are checked.

    Nothing where tiles are vectors, whose panels are others.

    lines : whether rows lie side by side (x.strides[0] is the size of a number), else the numbers of a row do
    """
    dot = tile.tile.dot

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if not dot.matrix:
            return context.get_dummy_value()
        _, x_array, row, column, flat, first, by_lines = arguments
        start, down, right = entry_at(context, builder, x, x_array, row, column)
        into = bytes_at(context, builder, buffer, flat, first)
        words, size = ir.VectorType(WORD, SIDE), x.dtype.bitwidth // 8
        numbers = ir.VectorType(context.get_value_type(x.dtype), SIDE)

        def read(r: Any, w: Any, kind: Any) -> Any:
            offset = builder.add(builder.mul(down, ir.Constant(LONG, r)), builder.mul(right, ir.Constant(LONG, w)))
            return builder.load(builder.bitcast(builder.gep(start, [offset]), kind.as_pointer()), align=size)

        def put(r: int, value: Any) -> None:
            place = builder.gep(into, [ir.Constant(LONG, r * ROW)])
            builder.store(value, builder.bitcast(place, words.as_pointer()), align=4)

        with builder.if_else(builder.trunc(by_lines, ir.IntType(1))) as (side_by_side, apart):
            with side_by_side:
                columns = [
                    joined(builder, [read(0, w * dot.group + g, numbers) for g in range(dot.group)], 0)
                    for w in range(SIDE)
                ]
                for r, value in enumerate(_transposed(builder, columns)):
                    put(r, value)
            with apart:
                for r in range(SIDE):
                    put(r, read(r, 0, words))
        return context.get_dummy_value()

    return types.void(tile, x, i, k, buffer, at, lines), generate


def _transposed(builder: Any, rows: list[Any]) -> list[Any]:
    """16 vectors of 16 words as the 16 vectors of their lanes: at each of four distances, pairs exchange halves."""
    distance = SIDE // 2
    while distance:
        low = [lane if lane & distance == 0 else lane - distance + SIDE for lane in range(SIDE)]
        high = [lane + distance if lane & distance == 0 else lane + SIDE for lane in range(SIDE)]
        for r in range(SIDE):
            if r & distance == 0:
                one, other = rows[r], rows[r + distance]
                rows[r], rows[r + distance] = (
                    builder.shuffle_vector(one, other, ir.Constant(ir.VectorType(WORD, SIDE), lanes))
                    for lanes in (low, high)
                )
        distance //= 2
    return rows
