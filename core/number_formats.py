"""Number formats that NumPy has no type for, as bits: bfloat16, the upper half of float32."""

from typing import Any

import numpy as np
import numpy.typing as npt

Bits = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]


def bf16_bits(values: npt.NDArray[np.floating]) -> Bits:
    """uint16 bits of the nearest bfloat16, to even where two are; values are float32 or finite float64 in its range."""
    single = np.asarray(values, np.float32).view(np.uint32)
    up = np.uint32(0x7FFF) + (single >> np.uint32(16) & np.uint32(1))
    return (single + up >> np.uint32(16)).astype(np.uint16)


def bf16_values(bits: Bits) -> Floats:
    """The numbers of uint16 bits."""
    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32).astype(np.float64)
