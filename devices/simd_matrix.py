"""Matrix units: tile registers of 16 rows that multiply 16 × 16 words by 16 × 16 words in one instruction.

Intel AMX (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18): eight tiles of 16 rows
of 64 bytes, which are words of A, words of B, or sums. C[i, j] += Σ_w A[i, w] · B[w, j], words of two bfloat16 or four
bytes. Tiles in memory stand in where the CPU has no such unit: the same steps, by ordinary instructions.
"""

from __future__ import annotations

from typing import Any, Protocol

from llvmlite import ir
from numba.core import cgutils, types

from clustermark.devices.simd_dots import SIDE, Dot
from clustermark.devices.simd_memory import BYTE, call
from clustermark.devices.simd_types import operation, spread

# Bytes of a row of a tile.
ROW = 64
TILES = 8
WORD, LONG = ir.IntType(32), ir.IntType(64)


class Unit(Protocol):
    """Eight tiles; pointers are to bytes, strides between rows in bytes."""

    def zero(self, tile: int) -> None:
        """All sums of a tile ← 0."""

    def load(self, tile: int, pointer: Any, stride: Any) -> None:
        """Tile ← 16 rows of 64 bytes."""

    def store(self, tile: int, pointer: Any, stride: Any) -> None:
        """16 rows of 64 bytes ← tile."""

    def multiply(self, c: int, a: int, b: int) -> None:
        """Tile c += tile a · tile b."""


class Registers:
    """The tile registers of AMX."""

    def __init__(self, builder: Any, dot: Dot) -> None:
        """`dot` names the instruction by its `emit`."""
        self.builder, self.dot = builder, dot

    def _call(self, name: str, *arguments: Any) -> None:
        call(self.builder, f"llvm.x86.{name}", ir.VoidType(), list(arguments))

    def zero(self, tile: int) -> None:
        """All sums of a tile ← 0."""
        self._call("tilezero", ir.Constant(BYTE, tile))

    def load(self, tile: int, pointer: Any, stride: Any) -> None:
        """Tile ← 16 rows of 64 bytes."""
        self._call("tileloadd64", ir.Constant(BYTE, tile), pointer, stride)

    def store(self, tile: int, pointer: Any, stride: Any) -> None:
        """16 rows of 64 bytes ← tile."""
        self._call("tilestored64", ir.Constant(BYTE, tile), pointer, stride)

    def multiply(self, c: int, a: int, b: int) -> None:
        """Tile c += tile a · tile b."""
        self.dot.emit(self.builder, *(ir.Constant(BYTE, tile) for tile in (c, a, b)))


class InMemory:
    """Tiles on the stack, for CPUs without the unit: what it does, by the vector operation of the dot."""

    def __init__(self, builder: Any, dot: Dot) -> None:
        """`dot.emit` works on vectors of 16 words."""
        self.builder, self.dot = builder, dot
        kind = ir.ArrayType(BYTE, SIDE * ROW)
        slots = [cgutils.alloca_once(builder, kind) for _ in range(TILES)]
        for slot in slots:
            slot.align = ROW
        self.places = [builder.bitcast(slot, BYTE.as_pointer()) for slot in slots]

    def zero(self, tile: int) -> None:
        """All sums of a tile ← 0."""
        self._rows(None, None, self.places[tile], ir.Constant(LONG, ROW))

    def load(self, tile: int, pointer: Any, stride: Any) -> None:
        """Tile ← 16 rows of 64 bytes."""
        self._rows(pointer, stride, self.places[tile], ir.Constant(LONG, ROW))

    def store(self, tile: int, pointer: Any, stride: Any) -> None:
        """16 rows of 64 bytes ← tile."""
        self._rows(self.places[tile], ir.Constant(LONG, ROW), pointer, stride)

    def _rows(self, source: Any, step: Any, target: Any, stride: Any) -> None:
        kind = ir.VectorType(WORD, SIDE)
        with cgutils.for_range(self.builder, ir.Constant(LONG, SIDE)) as loop:
            value: Any = ir.Constant(kind, None)
            if source is not None:
                value = self.builder.load(self._at(source, loop.index, step, kind), align=4)
            self.builder.store(value, self._at(target, loop.index, stride, kind), align=4)

    def multiply(self, c: int, a: int, b: int) -> None:
        """Tile c += tile a · tile b, word after word."""
        builder, row = self.builder, ir.Constant(LONG, ROW)
        total = ir.FloatType() if self.dot.total == "float32" else WORD
        sums, words = ir.VectorType(total, SIDE), ir.VectorType(WORD, SIDE)
        with cgutils.for_range(builder, ir.Constant(LONG, SIDE)) as rows:
            place = self._at(self.places[c], rows.index, row, sums)
            left = self._at(self.places[a], rows.index, row, WORD)
            with cgutils.for_range(builder, ir.Constant(LONG, SIDE)) as inner:
                of_a = spread(builder, builder.load(builder.gep(left, [inner.index]), align=4), SIDE)
                of_b = builder.load(self._at(self.places[b], inner.index, row, words), align=4)
                builder.store(self.dot.emit(builder, builder.load(place, align=4), of_a, of_b), place, align=4)

    def _at(self, start: Any, index: Any, stride: Any, kind: Any) -> Any:
        pointer = self.builder.gep(start, [self.builder.mul(index, stride)])
        return self.builder.bitcast(pointer, kind.as_pointer())


def unit_of(builder: Any, dot: Dot) -> Unit:
    """The unit that a dot runs on."""
    return Registers(builder, dot) if dot.needs else InMemory(builder, dot)


@operation
def begin_tiles(typing_context: Any, tile: Any) -> Any:
    """Before the first product of a call: eight tiles of 16 rows of 64 bytes. Nothing where tiles are vectors."""
    dot = tile.tile.dot

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if dot.matrix and dot.needs:
            # Palette 1, first row 0, nothing; then bytes of a row, and rows, of each of 16 tiles, 8 of which exist.
            setting = [1, *[0] * 15, *[ROW, 0] * TILES, *[0] * 16, *[SIDE] * TILES, *[0] * 8]
            kind = ir.ArrayType(BYTE, len(setting))
            slot = cgutils.alloca_once(builder, kind)
            builder.store(ir.Constant(kind, setting), slot)
            call(builder, "llvm.x86.ldtilecfg", ir.VoidType(), [builder.bitcast(slot, BYTE.as_pointer())])
        return context.get_dummy_value()

    return types.void(tile), generate


@operation
def end_tiles(typing_context: Any, tile: Any) -> Any:
    """After the last product of a call: the tiles are given back, so that switches of tasks need not save them."""
    dot = tile.tile.dot

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if dot.matrix and dot.needs:
            call(builder, "llvm.x86.tilerelease", ir.VoidType(), [])
        return context.get_dummy_value()

    return types.void(tile), generate
