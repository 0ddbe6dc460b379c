"""Panels packed for the tiles of devices/simd_tiles.py: word after word, one of each of the panel's rows."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types

from clustermark.devices.simd_dots import joined
from clustermark.devices.simd_memory import LINE, TO_READ, bytes_at, entry_at, prefetch
from clustermark.devices.simd_types import operation

POINTER = ir.IntType(64)
# Words by which rows that lie side by side are asked for before they are packed: each word lies on another page.
WORDS_AHEAD = 8


def _packer(height_of: Any, flips: Any) -> Any:
    """Intrinsic that packs one word of every row of a panel."""

    def generator(typing_context: Any, tile: Any, x: Any, i: Any, k: Any, buffer: Any, at: Any, lines: Any) -> Any:
        """buffer[at : at + height] = the word at column k of rows i … of x; no bounds are checked.

        lines : 1 where rows lie side by side (x.strides[0] is the size of a number): one load then serves all; 2 where
            the numbers of a row do: one load then is a word; else 0
        """
        dot, height = tile.tile.dot, height_of(tile.tile)

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _, x_array, row, column, flat, first, by_lines = arguments
            start, down, right = entry_at(context, builder, x, x_array, row, column)
            into = bytes_at(context, builder, buffer, flat, first)
            element = context.get_value_type(x.dtype)
            size = x.dtype.bitwidth // 8
            flip = 1 << 8 * size - 1 if flips and dot.unsigned else 0

            def word(r: int, count: int) -> Any:
                """Words of `count` rows from r on, which lie side by side."""
                kind = ir.VectorType(element, count)
                first_of_row = builder.gep(start, [builder.mul(down, ir.Constant(POINTER, r))])
                places = [
                    builder.gep(first_of_row, [builder.mul(right, ir.Constant(POINTER, g))]) for g in range(dot.group)
                ]
                numbers = [builder.load(builder.bitcast(at, kind.as_pointer()), align=size) for at in places]
                return joined(builder, numbers, flip)

            def row_word(r: int) -> Any:
                """Word of one row whose numbers lie side by side."""
                kind = ir.VectorType(element, dot.group)
                place = builder.gep(start, [builder.mul(down, ir.Constant(POINTER, r))])
                numbers = builder.load(builder.bitcast(place, kind.as_pointer()), align=size)
                if flip:
                    numbers = builder.xor(numbers, ir.Constant(kind, [flip] * dot.group))
                wide = ir.VectorType(ir.IntType(32 // dot.group), dot.group)
                if kind.element.width < wide.element.width:
                    numbers = builder.sext(numbers, wide)
                return builder.bitcast(numbers, ir.VectorType(ir.IntType(32), 1))

            def put(words: Any, r: int) -> None:
                step = builder.bitcast(into, words.type.element.as_pointer())
                pointer = builder.gep(step, [ir.Constant(POINTER, r)])
                builder.store(words, builder.bitcast(pointer, words.type.as_pointer()), align=4)

            def is_(value: int) -> Any:
                return builder.icmp_signed("==", by_lines, ir.Constant(POINTER, value))

            with builder.if_else(is_(1)) as (side_by_side, apart):
                with side_by_side:
                    for g in range(dot.group):
                        later = builder.mul(right, ir.Constant(POINTER, WORDS_AHEAD * dot.group + g))
                        for line in range(0, height * size, LINE):
                            wanted = builder.add(later, ir.Constant(POINTER, line))
                            prefetch(builder, builder.gep(start, [wanted]), TO_READ)
                    put(word(0, height), 0)
                with apart, builder.if_else(is_(2)) as (whole, single):
                    with whole:
                        for r in range(height):
                            put(row_word(r) if dot.group > 1 else word(r, 1), r)
                    with single:
                        for r in range(height):
                            put(word(r, 1), r)
            return context.get_dummy_value()

        return types.void(tile, x, i, k, buffer, at, lines), generate

    return operation(generator)


pack_rows = _packer(lambda tile: tile.rows, flips=True)
pack_columns = _packer(lambda tile: tile.columns, flips=False)
