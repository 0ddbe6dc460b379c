"""Explicit SIMD for numba's CPU target: vectors and masks as values, over LLVM's vector types.

LLVM leaves loops with scattered stores scalar, and compiles gathers where loads would do. Here the vector is a type:

    width = Width(8)                              # lanes travel in the type, so a kernel is compiled per width

    @numba.njit
    def scale(a, factor, width):
        for start in range(0, a.size, lanes(width)):
            store(a, start, load(a, start, width) * factor)

A formula written for scalars in `+ - * /` serves vectors unchanged. Scalars beside a vector are converted to its
element type and spread. Comparisons give masks; `select` chooses per lane; nothing branches on a lane. A width that
the CPU does not have is cut into (or filled up from) the registers that it has, so that every width runs everywhere.
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import overload

from clustermark.devices.simd_memory import (
    call,
    finish_pass,
    load,
    memory_fence,
    store,
    store_apart,
    store_first,
    store_nontemporal,
)
from clustermark.devices.simd_types import (
    ELEMENTS,
    Mask,
    Vector,
    Width,
    WidthType,
    native_width,
    operation,
    spread,
    vector_type,
)

__all__ = [
    "Width",
    "bit_count",
    "bits_of",
    "both",
    "count",
    "finish_pass",
    "lanes",
    "less",
    "load",
    "magnitude",
    "mask_of",
    "memory_fence",
    "multiply_add",
    "native_width",
    "ordered",
    "select",
    "splat",
    "square_root",
    "store",
    "store_apart",
    "store_first",
    "store_nontemporal",
    "total",
    "zeros_like",
]

# Sums may be reordered and a·b + c fused; NaN and infinity keep their meaning, so that `select` can hide them.
ARITHMETIC = ("nsz", "arcp", "contract", "reassoc")
# The same without reordering: a formula rounds alike in the body of an unrolled loop and in what is left over.
ORDERED = ("nsz", "contract")


def _as_vector(context: Any, builder: Any, value: Any, kind: types.Type, wanted: Vector) -> Any:
    """The value itself if it is a vector, else the scalar in the vector's element type, in every lane."""
    if isinstance(kind, Vector):
        return value
    return spread(builder, context.cast(builder, value, kind, wanted.element), wanted.count)


@operation
def lanes(typing_context: Any, width: Any) -> Any:
    """Number of lanes of a Width, a constant to the compiler."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(ir.IntType(64), width.count)

    return types.int64(width), generate


@operation
def ordered(typing_context: Any, width: Any) -> Any:
    """The Width of vectors whose sums stay in the order of the formula; a·b + c may still be fused."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.get_dummy_value()

    return WidthType(width.count, ordered=True)(width), generate


@operation
def splat(typing_context: Any, scalar: Any, width: Any) -> Any:
    """The scalar in every lane."""
    result = Vector(scalar, width.count, width.ordered)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return spread(builder, arguments[0], width.count)

    return result(scalar, width), generate


@operation
def zeros_like(typing_context: Any, vector: Any) -> Any:
    """Zero in every lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return ir.Constant(vector_type(vector), None)

    return vector(vector), generate


def _arithmetic(symbol: Any, instruction: str, integer_instruction: str = "") -> None:
    """Overload a Python operator for two vectors, or a vector and a scalar."""

    @operation
    def apply(typing_context: Any, left: Any, right: Any) -> Any:
        result = left if isinstance(left, Vector) else right
        whole = isinstance(result.element, types.Integer)
        if whole and not integer_instruction:
            return None

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            both = [_as_vector(context, builder, a, t, result) for a, t in zip(arguments, signature.args, strict=True)]
            if whole:
                return getattr(builder, integer_instruction)(*both)
            return getattr(builder, instruction)(*both, flags=ORDERED if result.ordered else ARITHMETIC)

        return result(left, right), generate

    @overload(symbol)
    def _operator(left, right):  # numba compares the parameters with the lambda's
        if isinstance(left, Vector) or isinstance(right, Vector):
            return lambda left, right: apply(left, right)  # noqa: PLW0108 - numba wants a function of its own
        return None


_arithmetic(operator.add, "fadd", "add")
_arithmetic(operator.sub, "fsub", "sub")
_arithmetic(operator.mul, "fmul", "mul")
_arithmetic(operator.truediv, "fdiv")


@operation
def less(typing_context: Any, left: Any, right: Any) -> Any:
    """Mask of the lanes where left < right (false where either is NaN); also `left < right`, `right > left`."""
    wanted = left if isinstance(left, Vector) else right

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        both = [_as_vector(context, builder, a, t, wanted) for a, t in zip(arguments, signature.args, strict=True)]
        if isinstance(wanted.element, types.Integer):
            return builder.icmp_signed("<", *both)
        return builder.fcmp_ordered("<", *both)

    return Mask(wanted.count)(left, right), generate


@overload(operator.lt)
def _less_than(left, right):
    if isinstance(left, Vector) or isinstance(right, Vector):
        return lambda left, right: less(left, right)  # noqa: PLW0108 - numba wants a function of its own
    return None


@overload(operator.gt)
def _greater_than(left, right):
    if isinstance(left, Vector) or isinstance(right, Vector):
        return lambda left, right: less(right, left)
    return None


@operation
def both(typing_context: Any, left: Any, right: Any) -> Any:
    """Mask of the lanes that are true in both."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.and_(*arguments)

    return left(left, right), generate


@operation
def mask_of(typing_context: Any, bits: Any, width: Any) -> Any:
    """Mask whose lane k is bit k of an integer."""
    result = Mask(width.count)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        wide = context.cast(builder, arguments[0], signature.args[0], types.int64)
        word = builder.trunc(wide, ir.IntType(width.count)) if width.count < 64 else wide
        return builder.bitcast(word, ir.VectorType(ir.IntType(1), width.count))

    return result(bits, width), generate


@operation
def bits_of(typing_context: Any, mask: Any) -> Any:
    """Integer whose bit k is lane k of a mask; zero where no lane is true."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = builder.bitcast(arguments[0], ir.IntType(mask.count))
        return builder.zext(word, ir.IntType(64)) if mask.count < 64 else word

    return types.int64(mask), generate


@operation
def select(typing_context: Any, mask: Any, yes: Any, no: Any) -> Any:
    """Per lane `yes` where the mask is true, else `no`; either may be a scalar, one must be a vector."""
    result = yes if isinstance(yes, Vector) else no

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        choices = [
            _as_vector(context, builder, a, t, result) for a, t in zip(arguments[1:], signature.args[1:], strict=True)
        ]
        return builder.select(arguments[0], *choices)

    return result(mask, yes, no), generate


@operation
def total(typing_context: Any, vector: Any) -> Any:
    """Sum over lanes, pairwise in the order that the CPU likes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        element, kind = ELEMENTS[vector.element], vector_type(vector)
        name = f"llvm.vector.reduce.fadd.v{vector.count}f{vector.element.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(element, [element, kind]), name)
        return builder.call(function, [ir.Constant(element, -0.0), arguments[0]], fastmath=ARITHMETIC)

    return vector.element(vector), generate


@operation
def bit_count(typing_context: Any, word: Any) -> Any:
    """Number of bits of an int64 that are 1."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.int64), generate


@operation
def count(typing_context: Any, mask: Any) -> Any:
    """Number of true lanes."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = builder.bitcast(arguments[0], ir.IntType(mask.count))
        return builder.ctpop(builder.zext(word, ir.IntType(64)) if mask.count < 64 else word)

    return types.int64(mask), generate


@operation
def multiply_add(typing_context: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c of vectors, rounded once where the CPU has the instruction; fused also where a·b is used twice."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        name = f"llvm.fmuladd.v{a.count}f{a.element.bitwidth}"
        return call(builder, name, vector_type(a), list(arguments), fastmath=ARITHMETIC)

    return a(a, b, c), generate


@operation
def square_root(typing_context: Any, vector: Any) -> Any:
    """√ per lane, correctly rounded."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = vector_type(vector)
        return call(builder, f"llvm.sqrt.v{vector.count}f{vector.element.bitwidth}", kind, list(arguments))

    return vector(vector), generate


@operation
def magnitude(typing_context: Any, vector: Any) -> Any:
    """|x| per lane."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = vector_type(vector)
        return call(builder, f"llvm.fabs.v{vector.count}f{vector.element.bitwidth}", kind, list(arguments))

    return vector(vector), generate
