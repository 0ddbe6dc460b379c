"""Sums of products of short integers and floats in vector registers: which instruction does them, and where.

A word is what one lane of a register holds of the inner index: one float64 or float32, or two or four numbers of a
shorter format in 32 bits, the first in the lowest bits. acc + a·b of words adds the products of all their numbers to
a sum of a wider format. Where the CPU lacks the instruction, ordinary ones do the same: "emulated", right but slow.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import llvmlite.binding
from llvmlite import ir

from clustermark.devices.simd_memory import call

NATIVE, EMULATED = "native", "emulated"
# Rows of the tiles of a matrix unit, and words of a row.
SIDE = 16
I8, I16, I32, F32, F64 = ir.IntType(8), ir.IntType(16), ir.IntType(32), ir.FloatType(), ir.DoubleType()


@dataclass(frozen=True)
class Dot:
    """One way to add products of words to sums.

    Attributes
    ----------
    name : unique
    element, word, total : NumPy types of a number as it is stored, of a word, of a sum
    group : numbers per word
    lanes : of a vector of words, and of sums
    needs : features of the CPU, as LLVM calls them, without which it cannot run
    path : NATIVE or EMULATED
    unsigned : A's bytes are stored plus 128, which a correction by 128 times the sums of B's columns takes off again
    emit : (builder, acc, a, b) -> acc + a·b on vectors; of a matrix unit on numbers of its tiles
    matrix : 16 rows by 16 words of A and of B at once (devices/simd_matrix.py)
    """

    name: str
    element: str
    word: str
    total: str
    group: int
    lanes: int
    needs: tuple[str, ...]
    path: str
    emit: Callable[[Any, Any, Any, Any], Any]
    unsigned: bool = False
    matrix: bool = False

    @property
    def products(self) -> int:
        """That one emission adds up."""
        return self.lanes * self.group * (SIDE * SIDE if self.matrix else 1)


def host_features() -> frozenset[str]:
    """Features of this CPU as LLVM names them, without those that the system does not let this process use."""
    features = frozenset(name for name, on in llvmlite.binding.get_host_cpu_features().items() if on)
    if "amx-tile" in features and not tiles_allowed():
        return frozenset(name for name in features if not name.startswith("amx"))
    return features


# Linux gives tile registers to a process that asks (Documentation/arch/x86/xstate.rst): arch_prctl's number on x86-64,
# ARCH_REQ_XCOMP_PERM, and the place of the tiles among the states of the CPU.
ARCH_PRCTL, ASK, TILE_DATA = 158, 0x1023, 18


def tiles_allowed() -> bool:
    """Whether this process may use tile registers; asks Linux for them, for the life of the process."""
    if platform.system() != "Linux" or platform.machine() != "x86_64":
        return False
    return ctypes.CDLL(None).syscall(ARCH_PRCTL, ASK, TILE_DATA) == 0


def _as(builder: Any, value: Any, element: Any, count: int) -> Any:
    return builder.bitcast(value, ir.VectorType(element, count))


def _fused(builder: Any, acc: Any, a: Any, b: Any) -> Any:
    bits = 64 if acc.type.element == F64 else 32
    return call(builder, f"llvm.fma.v{acc.type.count}f{bits}", acc.type, [a, b, acc])


def _pairs(name: str) -> Callable[[Any, Any, Any, Any], Any]:
    """vpmaddwd: products of int16, added in pairs, exact; then an addition of int32."""

    def emit(builder: Any, acc: Any, a: Any, b: Any) -> Any:
        halves = [_as(builder, value, I16, 2 * acc.type.count) for value in (a, b)]
        return _kept(builder, builder.add(acc, call(builder, name, acc.type, halves)))

    return emit


def _kept(builder: Any, value: Any) -> Any:
    """The value, hidden from LLVM, which would else add products of several words to each other first.

    That needs more registers than there are: sums then go through memory in every turn of the loop.
    """
    kind = ir.FunctionType(value.type, [value.type])
    return builder.asm(kind, "", "=v,0" if value.type.count == 16 else "=x,0", [value], side_effect=False)


def _bytes(name: str) -> Callable[[Any, Any, Any, Any], Any]:
    """vpdpbusd or vpdpbssd: four products of bytes added to an int32."""

    def emit(builder: Any, acc: Any, a: Any, b: Any) -> Any:
        return call(builder, name, acc.type, [acc, *(_as(builder, value, I8, 4 * acc.type.count) for value in (a, b))])

    return emit


def _bfloats(name: str) -> Callable[[Any, Any, Any, Any], Any]:
    """vdpbf16ps: two products of bfloat16 added to a float32."""

    def emit(builder: Any, acc: Any, a: Any, b: Any) -> Any:
        # LLVM has had a type of its own for bfloat16 since 15; the words are its bits.
        kind = ir.VectorType(_BFloat(), 2 * acc.type.count)
        return call(builder, name, acc.type, [acc, *(builder.bitcast(value, kind) for value in (a, b))])

    return emit


def _tiles(name: str) -> Callable[[Any, Any, Any, Any], Any]:
    """tdpbf16ps or tdpbssd: 16 × 16 words by 16 × 16 words, added to 16 × 16 sums, all in tile registers."""

    def emit(builder: Any, acc: Any, a: Any, b: Any) -> Any:
        return call(builder, name, ir.VoidType(), [acc, a, b])

    return emit


def joined(builder: Any, numbers: list[Any], flip: int) -> Any:
    """Vectors of numbers k, k + 1, … as one vector of words; a single one is the word."""
    if len(numbers) == 1:
        return numbers[0]
    bits, count = 32 // len(numbers), numbers[0].type.count
    wide, field = (ir.VectorType(ir.IntType(size), count) for size in (32, bits))
    word: Any = ir.Constant(wide, None)
    for g, number in enumerate(numbers):
        flipped = builder.xor(number, ir.Constant(number.type, [flip] * count)) if flip else number
        exact = builder.sext(flipped, field) if flipped.type.element.width < bits else flipped
        word = builder.or_(word, builder.shl(builder.zext(exact, wide), ir.Constant(wide, [bits * g] * count)))
    return word


class _BFloat(ir.types.Type):
    """LLVM's bfloat, which llvmlite does not know."""

    def _to_string(self) -> str:
        return "bfloat"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _BFloat)

    def __hash__(self) -> int:
        return hash(_BFloat)


def _field(builder: Any, word: Any, place: int, bits: int, signed: bool) -> Any:
    """Bits `place`·bits … of every lane as an int32."""
    up = builder.shl(word, ir.Constant(word.type, [32 - bits * (place + 1)] * word.type.count))
    down = ir.Constant(word.type, [32 - bits] * word.type.count)
    return builder.ashr(up, down) if signed else builder.lshr(up, down)


def _plain_integers(group: int, unsigned: bool) -> Callable[[Any, Any, Any, Any], Any]:
    """Products and sums of the fields of words, by shifts and int32 arithmetic; exact as the instruction is."""

    def emit(builder: Any, acc: Any, a: Any, b: Any) -> Any:
        bits = 32 // group
        for place in range(group):
            left = _field(builder, a, place, bits, signed=not unsigned)
            acc = builder.add(acc, builder.mul(left, _field(builder, b, place, bits, signed=True)))
        return acc

    return emit


def _plain_bfloats(builder: Any, acc: Any, a: Any, b: Any) -> Any:
    """A bfloat16 is the upper half of a float32: two fused multiply-adds, the second number first (as vdpbf16ps)."""
    count = acc.type.count
    high = ir.Constant(a.type, [0xFFFF0000] * count)
    half = ir.Constant(a.type, [16] * count)
    for part in (lambda word: builder.and_(word, high), lambda word: builder.shl(word, half)):
        left, right = (builder.bitcast(part(word), acc.type) for word in (a, b))
        acc = call(builder, f"llvm.fma.v{count}f32", acc.type, [left, right, acc])
    return acc


def _dots() -> tuple[Dot, ...]:
    """Every way, the best of each element first."""
    wide, narrow = ("avx512f",), ("avx2", "fma")
    found = []
    for element in ("float64", "float32"):
        size = 8 if element == "float64" else 4
        for bytes_, needs in ((64, wide), (32, narrow), (16, ())):
            name = f"{element} fma {8 * bytes_}"
            found.append(Dot(name, element, element, element, 1, bytes_ // size, needs, NATIVE, _fused))
    amx = (*wide, "amx-tile")
    eight, halves = _tiles("llvm.x86.tdpbssd"), _tiles("llvm.x86.tdpbf16ps")
    found += [
        Dot("int8 tdpbssd", "int8", "int32", "int32", 4, 16, (*amx, "amx-int8"), NATIVE, eight, matrix=True),
        Dot("bf16 tdpbf16ps", "uint16", "int32", "float32", 2, 16, (*amx, "amx-bf16"), NATIVE, halves, matrix=True),
    ]
    integers = (
        ("vpdpbssd 256", 4, 8, ("avxvnniint8",), NATIVE, _bytes("llvm.x86.avx2.vpdpbssd.256"), False),
        ("vpdpbusd 512", 4, 16, (*wide, "avx512vnni"), NATIVE, _bytes("llvm.x86.avx512.vpdpbusd.512"), True),
        ("vpdpbusd 256", 4, 8, ("avxvnni",), NATIVE, _bytes("llvm.x86.avx512.vpdpbusd.256"), True),
        ("vpmaddwd 512", 2, 16, (*wide, "avx512bw"), NATIVE, _pairs("llvm.x86.avx512.pmaddw.d.512"), False),
        ("vpmaddwd 256", 2, 8, ("avx2",), NATIVE, _pairs("llvm.x86.avx2.pmadd.wd"), False),
        ("pairs of int16", 2, 8, (), EMULATED, _plain_integers(2, unsigned=False), False),
    )
    for name, group, lanes, needs, path, emit, unsigned in integers:
        found.append(Dot(f"int8 {name}", "int8", "int32", "int32", group, lanes, needs, path, emit, unsigned))
    real = _bfloats("llvm.x86.avx512bf16.dpbf16ps.512")
    found += [
        Dot("bf16 vdpbf16ps 512", "uint16", "int32", "float32", 2, 16, (*wide, "avx512bf16"), NATIVE, real),
        Dot("bf16 as fp32", "uint16", "int32", "float32", 2, 8, (), EMULATED, _plain_bfloats),
    ]
    # Stand-ins of the instructions above, with their layout of words: what tests run where a CPU lacks them.
    found += [
        Dot("int8 vpdpbusd plain", "int8", "int32", "int32", 4, 8, (), EMULATED, _unsigned_by_signed, unsigned=True),
        Dot("int8 vpdpbssd plain", "int8", "int32", "int32", 4, 8, (), EMULATED, _plain_integers(4, unsigned=False)),
        Dot("bf16 vdpbf16ps plain", "uint16", "int32", "float32", 2, 16, (), EMULATED, _plain_bfloats),
        Dot(
            "int8 tdpbssd plain", "int8", "int32", "int32", 4, 16, (), EMULATED, _plain_integers(4, False), matrix=True
        ),
        Dot("bf16 tdpbf16ps plain", "uint16", "int32", "float32", 2, 16, (), EMULATED, _plain_bfloats, matrix=True),
    ]
    return tuple(found)


def _unsigned_by_signed(builder: Any, acc: Any, a: Any, b: Any) -> Any:
    return _plain_integers(4, unsigned=True)(builder, acc, a, b)


DOTS: dict[str, Dot] = {dot.name: dot for dot in _dots()}


def choose_dot(element: str, features: Collection[str]) -> Dot:
    """The first way for numbers of that NumPy type that a CPU with those features can run."""
    return next(dot for dot in DOTS.values() if dot.element == element and set(dot.needs) <= set(features))
