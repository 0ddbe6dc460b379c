"""Operand types of PTX, and the NumPy types that hold their bits and their values (PTX ISA, 5.2 "Types")."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

UNSIGNED = {8: np.dtype(np.uint8), 16: np.dtype(np.uint16), 32: np.dtype(np.uint32), 64: np.dtype(np.uint64)}

# Two floats side by side, in 32 bits.
PACKED = ("f16x2", "bf16x2")


@dataclass(frozen=True)
class Format:
    """One operand type.

    Attributes
    ----------
    name : as PTX writes it, without the dot
    kind : "b" untyped, "u" unsigned, "s" signed, "f" floating point, "p" predicate
    bits : width; 1 for a predicate
    values : NumPy type of the values
    """

    name: str
    kind: str
    bits: int
    values: np.dtype

    @property
    def size(self) -> int:
        """Bytes in memory."""
        return self.bits // 8

    @cached_property
    def raw(self) -> np.dtype:
        """Unsigned NumPy type of the bits; bool for a predicate."""
        return np.dtype(np.bool_) if self.kind == "p" else UNSIGNED[self.bits]

    @property
    def mask(self) -> int:
        """All bits set."""
        return (1 << self.bits) - 1


def _format(name: str, kind: str, bits: int, values: type) -> tuple[str, Format]:
    return name, Format(name, kind, bits, np.dtype(values))


FORMATS: dict[str, Format] = dict(
    [
        _format("pred", "p", 1, np.bool_),
        *(_format(f"b{n}", "b", n, UNSIGNED[n].type) for n in UNSIGNED),
        *(_format(f"u{n}", "u", n, UNSIGNED[n].type) for n in UNSIGNED),
        *(_format(f"s{8 * size}", "s", 8 * size, np.dtype(f"i{size}").type) for size in (1, 2, 4, 8)),
        _format("f16", "f", 16, np.float16),
        *(_format(name, "b", 32, np.uint32) for name in PACKED),
        _format("f32", "f", 32, np.float32),
        _format("f64", "f", 64, np.float64),
    ]
)


def wider(form: Format) -> Format:
    """The type of the same kind and twice the width, of mul.wide."""
    return FORMATS[f"{form.kind}{2 * form.bits}"]


def bits_of(values: np.ndarray) -> np.ndarray:
    """The bits of values, as unsigned integers of their width; predicates stay as they are."""
    if values.dtype.kind in "ub":
        return values
    return np.ascontiguousarray(values).view(UNSIGNED[8 * values.dtype.itemsize])
