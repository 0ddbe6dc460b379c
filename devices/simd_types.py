"""Numba types of devices/simd.py: a width that travels in the type, vectors, masks, and how LLVM holds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import llvmlite.binding
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.datamodel.models import OpaqueModel, PrimitiveModel
from numba.core.imputils import lower_constant
from numba.core.pythonapi import NativeValue
from numba.extending import intrinsic, register_model, typeof_impl, unbox

ELEMENTS = {
    types.float32: ir.FloatType(),
    types.float64: ir.DoubleType(),
    types.int32: ir.IntType(32),
    types.int64: ir.IntType(64),
}

# Type of the number of a lane in LLVM.
LANE = ir.IntType(32)


class Width:
    """A number of lanes, 2 to 64, carried into kernels by its type."""

    def __init__(self, count: int) -> None:
        """Raises ValueError unless `count` is a power of two from 2 to 64."""
        if count not in (2, 4, 8, 16, 32, 64):
            raise ValueError(f"a vector of {count} lanes: expected 2, 4, 8, 16, 32 or 64")
        self.count = count


class WidthType(types.Type):
    """Numba's type of a Width."""

    def __init__(self, count: int, ordered: bool = False) -> None:
        """One type per number of lanes, and per what its vectors let the compiler do."""
        self.count = count
        self.ordered = ordered
        super().__init__(name=f"Width({count}{', ordered' if ordered else ''})")


class Vector(types.Type):
    """Numba's type of a vector of `count` lanes of `element`, whose sums may be reordered unless it is `ordered`."""

    def __init__(self, element: types.Type, count: int, ordered: bool = False) -> None:
        """`element` is float32, float64, int32 or int64."""
        self.element = element
        self.count = count
        self.ordered = ordered
        super().__init__(name=f"Vector({element}, {count}{', ordered' if ordered else ''})")


class Mask(types.Type):
    """Numba's type of one truth value per lane."""

    def __init__(self, count: int) -> None:
        """One bit a lane."""
        self.count = count
        super().__init__(name=f"Mask({count})")


@register_model(Vector)
class _VectorModel(PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, ir.VectorType(ELEMENTS[kind.element], kind.count))


@register_model(Mask)
class _MaskModel(PrimitiveModel):
    def __init__(self, manager: Any, kind: Mask) -> None:
        super().__init__(manager, kind, ir.VectorType(ir.IntType(1), kind.count))


register_model(WidthType)(OpaqueModel)


@typeof_impl.register(Width)
def _type_of_width(value: Width, context: Any) -> WidthType:
    return WidthType(value.count)


def _unbox_width(kind: Any, value: Any, c: Any) -> Any:
    return NativeValue(c.context.get_dummy_value())


unbox(WidthType)(_unbox_width)


@lower_constant(WidthType)
def _global_width(context: Any, builder: Any, kind: Any, value: Any) -> Any:
    return context.get_dummy_value()


def native_width(dtype: str) -> int:
    """Lanes of the widest vector register of this CPU: 64 bytes (AVX-512), 32 (AVX) or 16."""
    features = llvmlite.binding.get_host_cpu_features()
    size = 64 if features.get("avx512f") else 32 if features.get("avx") else 16
    return size // np.dtype(dtype).itemsize


def vector_type(kind: Vector) -> ir.VectorType:
    """LLVM's type of a vector."""
    return ir.VectorType(ELEMENTS[kind.element], kind.count)


def operation(generator: Callable[..., Any]) -> Callable[..., Any]:
    """A numba intrinsic as its callers see it: without the typing context that the generator takes first."""
    return intrinsic(generator)


def spread(builder: Any, scalar: Any, count: int) -> Any:
    """LLVM: a scalar in every lane."""
    kind = ir.VectorType(scalar.type, count)
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), scalar, ir.Constant(LANE, 0))
    zeros = ir.Constant(ir.VectorType(LANE, count), [0] * count)
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), zeros)
