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
def ordered_totals(typing_context: Any, first: Any, second: Any, third: Any, fourth: Any) -> Any:
    """Vector of the sums over the lanes of four vectors of four lanes each: (x₀ + x₂) + (x₁ + x₃)."""
    if first.count != 4:
        return None

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        def mixed(left: Any, right: Any, lanes: list[int]) -> Any:
            return builder.shuffle_vector(left, right, ir.Constant(ir.VectorType(LANE, 4), lanes))

        def halved(x: Any, y: Any) -> Any:
            """x₀ + x₂, x₁ + x₃, y₀ + y₂, y₁ + y₃."""
            return builder.fadd(mixed(x, y, [0, 1, 4, 5]), mixed(x, y, [2, 3, 6, 7]))

        a, b, c, d = arguments
        even, odd = halved(a, c), halved(b, d)
        return builder.fadd(mixed(even, odd, [0, 4, 2, 6]), mixed(even, odd, [1, 5, 3, 7]))

    return first(first, second, third, fourth), generate
