"""Matrix products by cuBLASLt made ready for the workload: operands rounded, scaled and laid out, bounds, a label."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from clustermark.benchmarks.gemm import operand
from clustermark.benchmarks.kernels.gemm_lt_cuda import product, tensor_scale
from clustermark.benchmarks.kernels.gemm_made import Made
from clustermark.core.accuracy import LAMBDA
from clustermark.core.number_formats import FORMATS, fp8_bits, fp8_values
from clustermark.core.precision import Precision

Matrix = npt.NDArray[Any]

# Formats of A and B: cuBLASLt multiplies no e5m2 by e5m2.
EIGHT_BITS = {"e4m3": ("e4m3", "e4m3"), "e5m2": ("e5m2", "e4m3")}
# Hopper's units keep about 14 bits of sums of 8-bit floats (DeepSeek-V3 Technical Report, 2024, 3.3.2) and cut off the
# rest: a product loses up to 2⁻¹³ of the largest one, which is four times the mean where inputs are uniform on (0, 1).
# Without fast accumulation cuBLASLt adds such sums, of a few instructions each, up in float32.
UNIT_SUMS = 2.0**-9


def on_cublaslt(precision: Precision, a: Matrix, b: Matrix, device: Any) -> Made:
    """C = AB by cuBLASLt, A (m, k) and B (k, n) float64 as they were made."""
    return (
        _in_eight_bits(precision, a, b, device) if precision.name in EIGHT_BITS else _as_stored(precision, a, b, device)
    )


def _as_stored(precision: Precision, a: Matrix, b: Matrix, device: Any) -> Made:
    """bf16 and int8: numbers go in as they are."""
    name, inner = precision.name, a.shape[1]
    (a, a_values), (b, b_values) = operand(name, a), operand(name, np.ascontiguousarray(b.T))
    made = product(name, a, b, device)
    u, sums = precision.unit_roundoff, precision.accumulate
    own_bound = (min(LAMBDA * math.sqrt(inner), inner) + 1) * precision.accumulate_roundoff
    return Made(
        made.step,
        made.result,
        a_values,
        b_values.T,
        own_bound + 2 * u + u * u,
        own_bound,
        a.nbytes + b.nbytes + made.result().nbytes,
        f"{name} × {name}, sums {sums}, result {sums}; native",
        counters=made.counters,
    )


def _in_eight_bits(precision: Precision, a: Matrix, b: Matrix, device: Any) -> Made:
    """8-bit floats: each matrix over a power of two of its own, so that its largest number is about the format's."""
    formats, inner, parts = EIGHT_BITS[precision.name], a.shape[1], []
    for matrix, name in ((a, formats[0]), (np.ascontiguousarray(b.T), formats[1])):
        scale = tensor_scale(matrix, FORMATS[name].largest)
        bits = fp8_bits(matrix / scale, name)
        parts.append((bits, fp8_values(bits, name) * scale, scale))
    (a, a_values, scale_a), (b, b_values, scale_b) = parts
    made = product(precision.name, a, b, device, (scale_a, scale_b))
    roundoffs = [FORMATS[name].roundoff for name in formats]
    own_bound = UNIT_SUMS + min(LAMBDA * math.sqrt(inner), inner) * FORMATS["fp32"].roundoff
    return Made(
        made.step,
        lambda: made.result().astype(np.float64),
        a_values,
        b_values.T,
        own_bound + sum(roundoffs) + math.prod(roundoffs),
        own_bound,
        a.nbytes + b.nbytes + made.result().nbytes,
        f"{' × '.join(formats)} with a scale each, sums fp32, result fp32; native",
        counters={**made.counters, "scale of A": scale_a, "scale of B": scale_b},
    )
