"""Peak of one core in sums of products of words: independent chains of one instruction, as in devices/fma.py."""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from numba.core import cgutils, types

from clustermark.devices.simd_types import operation, spread

CHAINS = 12


@operation
def _chains(typing_context: Any, tile: Any, iterations: Any, a: Any, b: Any) -> Any:
    """Sum over chains and lanes, as float64, of what CHAINS sums have after `iterations` additions of a·b each."""
    dot = tile.tile.dot

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


@numba.njit(nogil=True, cache=True)
def dot_chains(tile, iterations, a, b):  # numba compiles one per tile
    """Sum over the lanes of all chains after `iterations` sums of products each: lanes · CHAINS · iterations · a·b.

    Parameters
    ----------
    tile : Tile, whose way to add products is taken
    iterations : int64, ≥ 1
    a, b : int32 words
    """
    return _chains(tile, iterations, a, b)
