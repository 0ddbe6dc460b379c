"""Explicit SIMD whose bits do not depend on what the compiler sees around it.

The operators of simd.py let LLVM fuse and reorder, and it does so differently where the same formula is compiled into
a loop of one thread and of many. These operations round as they are written.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils

from clustermark.devices.simd_types import LANE, Vector, operation, spread, vector_type


@operation
def fused(typing_context: Any, factor: Any, other: Any, addend: Any) -> Any:
    """factor·other + addend per lane, rounded once; `other` may be a scalar."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = vector_type(factor)
        values = list(arguments)
        if not isinstance(other, Vector):
            values[1] = spread(builder, context.cast(builder, values[1], other, factor.element), factor.count)
        name = f"llvm.fma.v{factor.count}f{factor.element.bitwidth}"
        function = cgutils.get_or_insert_function(builder.module, ir.FunctionType(kind, [kind] * 3), name)
        return builder.call(function, values)

    return factor(factor, other, addend), generate


@operation
def ordered_total(typing_context: Any, vector: Any) -> Any:
    """Sum over lanes: the upper half is added to the lower until one lane is left."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value, left = arguments[0], vector.count
        while left > 1:
            left //= 2
            halves = (
                builder.shuffle_vector(
                    value,
                    ir.Constant(value.type, ir.Undefined),
                    ir.Constant(ir.VectorType(LANE, left), list(range(start, start + left))),
                )
                for start in (0, left)
            )
            value = builder.fadd(*halves)
        return builder.extract_element(value, ir.Constant(LANE, 0))

    return vector.element(vector), generate
