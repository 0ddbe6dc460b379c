"""Peak of one core in sums of products of words: independent chains of one instruction, as in devices/fma.py."""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types

from clustermark.devices.simd_dots import SIDE, Dot
from clustermark.devices.simd_matrix import LONG, ROW, begin_tiles, end_tiles, unit_of
from clustermark.devices.simd_memory import BYTE
from clustermark.devices.simd_types import operation, spread

# Of vectors; of tiles of a matrix unit, which has eight.
CHAINS, TILE_CHAINS = 12, 6


def products_of_chains(dot: Dot, iterations: int) -> int:
    """That all chains add up: a word per sum and iteration; a matrix unit does whole tiles of 16."""
    if dot.matrix:
        return TILE_CHAINS * dot.products * -(-iterations // SIDE)
    return CHAINS * dot.products * iterations


@operation
def _chains(typing_context: Any, tile: Any, iterations: Any, a: Any, b: Any) -> Any:
    """Sum over chains and lanes, as float64, of what CHAINS sums have after `iterations` additions of a·b each."""
    dot = tile.tile.dot
    if dot.matrix:
        return types.float64(tile, iterations, a, b), _tile_chains(dot)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        element = ir.FloatType() if dot.total == "float32" else ir.IntType(32)
        total = ir.VectorType(element, dot.lanes)
        left = cgutils.alloca_once_value(builder, spread(builder, arguments[2], dot.lanes))
        right = spread(builder, arguments[3], dot.lanes)
        hidden = ir.FunctionType(right.type, [right.type])
        slots = [cgutils.alloca_once_value(builder, ir.Constant(total, None)) for _ in range(CHAINS)]
        with cgutils.for_range(builder, arguments[1]):
            for slot in slots:
                # LLVM must not see that every chain adds the same: it would multiply once.
                if dot.needs:
                    word = builder.load(left)
                    builder.store(builder.asm(hidden, "", "=v,0" if dot.lanes == 16 else "=x,0", [word], True), left)
                builder.store(dot.emit(builder, builder.load(slot), builder.load(left), right), slot)
        result: Any = ir.Constant(ir.DoubleType(), 0.0)
        convert = builder.fpext if dot.total == "float32" else builder.sitofp
        for slot in slots:
            value = builder.load(slot)
            for lane in range(dot.lanes):
                number = builder.extract_element(value, ir.Constant(ir.IntType(32), lane))
                result = builder.fadd(result, convert(number, ir.DoubleType()))
        return result

    return types.float64(tile, iterations, a, b), generate


def _tile_chains(dot: Dot) -> Any:
    """The same with chains of tiles: every row of tiles 6 and 7 is the word a, the word b."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        unit, row = unit_of(builder, dot), ir.Constant(LONG, ROW)
        square = cgutils.alloca_once(builder, ir.ArrayType(BYTE, SIDE * ROW))
        place = builder.bitcast(square, BYTE.as_pointer())
        words = ir.VectorType(ir.IntType(32), SIDE)
        for tile, word in ((6, arguments[2]), (7, arguments[3])):
            builder.store(spread(builder, word, SIDE), builder.bitcast(place, words.as_pointer()), align=1)
            unit.load(tile, place, ir.Constant(LONG, 0))
        for chain in range(TILE_CHAINS):
            unit.zero(chain)
        turns = builder.sdiv(builder.add(arguments[1], ir.Constant(LONG, SIDE - 1)), ir.Constant(LONG, SIDE))
        with cgutils.for_range(builder, turns):
            for chain in range(TILE_CHAINS):
                unit.multiply(chain, 6, 7)
        element = ir.FloatType() if dot.total == "float32" else ir.IntType(32)
        convert = builder.fpext if dot.total == "float32" else builder.sitofp
        total = cgutils.alloca_once_value(builder, ir.Constant(ir.DoubleType(), 0.0))
        for chain in range(TILE_CHAINS):
            unit.store(chain, place, row)
            with cgutils.for_range(builder, ir.Constant(LONG, SIDE * SIDE)) as loop:
                number = builder.load(builder.gep(builder.bitcast(place, element.as_pointer()), [loop.index]), align=4)
                builder.store(builder.fadd(builder.load(total), convert(number, ir.DoubleType())), total)
        return builder.load(total)

    return generate


@numba.njit(nogil=True, cache=True)
def dot_chains(tile, iterations, a, b):  # numba compiles one per tile
    """Sum over the sums of all chains after `iterations` additions of the products of a's numbers and b's to each.

    Parameters
    ----------
    tile : Tile, whose way to add products is taken
    iterations : int64, ≥ 1
    a, b : int32 words
    """
    begin_tiles(tile)
    total = _chains(tile, iterations, a, b)
    end_tiles(tile)
    return total
