"""Peak of one core: independent chains of vector fused multiply-adds, as wide as the CPU has them.

The loop is written in LLVM IR through a numba intrinsic, because only explicit vectors guarantee what is counted:
CHAINS vectors of `lanes()` elements, one FMA each per iteration, nothing else but the loop counter.
"""

from typing import Any

import llvmlite.binding
import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

# Enough to cover latency × issue width of today's cores (4 to 5 cycles × 2), few enough for 16 registers.
CHAINS = 12
MULTIPLIER = 0.9
ADDEND = 0.3
# Fixed point of x → MULTIPLIER x + ADDEND, which every lane reaches; rounding keeps it within u ÷ (1 - 0.9).
FIXED_POINT = 3.0


def vector_bytes() -> int:
    """Width of the widest vector unit of this CPU: 64 (AVX-512), 32 (AVX2) or 16."""
    features = llvmlite.binding.get_host_cpu_features()
    if features.get("avx512f"):
        return 64
    return 32 if features.get("avx2") and features.get("fma") else 16


def lanes(dtype: str) -> int:
    """Elements per vector."""
    return vector_bytes() // np.dtype(dtype).itemsize


def flop_per_iteration(dtype: str) -> int:
    """Two operations per lane and chain."""
    return 2 * CHAINS * lanes(dtype)


def _emit_chains(builder: Any, iterations: Any, start: Any) -> Any:
    """CHAINS accumulators begin at `start` + chain, run, and are summed over lanes and chains."""
    scalar = start.type
    width = vector_bytes() // (8 if scalar == ir.DoubleType() else 4)
    vector = ir.VectorType(scalar, width)
    suffix = f"v{width}f{64 if scalar == ir.DoubleType() else 32}"
    fma = cgutils.get_or_insert_function(builder.module, ir.FunctionType(vector, [vector] * 3), f"llvm.fma.{suffix}")
    multiplier, addend = (ir.Constant(vector, [value] * width) for value in (MULTIPLIER, ADDEND))
    slots = []
    for chain in range(CHAINS):
        first = builder.fadd(start, ir.Constant(scalar, float(chain)))
        value: Any = ir.Constant(vector, ir.Undefined)
        for lane in range(width):
            value = builder.insert_element(value, first, ir.Constant(ir.IntType(32), lane))
        slots.append(cgutils.alloca_once_value(builder, value))
    with cgutils.for_range(builder, iterations):
        for slot in slots:
            builder.store(builder.call(fma, [builder.load(slot), multiplier, addend]), slot)
    total: Any = ir.Constant(scalar, 0.0)
    for slot in slots:
        value = builder.load(slot)
        for lane in range(width):
            total = builder.fadd(total, builder.extract_element(value, ir.Constant(ir.IntType(32), lane)))
    return total


@intrinsic
def _chains(typing_context: Any, iterations: Any, start: Any) -> Any:
    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> ir.Value:
        return _emit_chains(builder, arguments[0], arguments[1])

    return start(iterations, start), generate


@numba.njit(nogil=True, cache=True)
def fma_chains(iterations: int, start: float) -> float:
    """Sum over all lanes of all chains after `iterations` FMAs each; every lane tends to FIXED_POINT.

    Parameters
    ----------
    iterations : int64, ≥ 1
    start : float64 or float32; its type is the type of the arithmetic
    """
    return _chains(iterations, start)  # pyright: ignore[reportCallIssue] - numba supplies the typing context
