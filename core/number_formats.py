"""Number formats that NumPy has no type for: bfloat16 as bits, the upper half of float32; rounding to any of them."""

from dataclasses import dataclass
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


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: bits of the significand with the hidden one, least exponent, largest number."""

    bits: int
    least_exponent: int
    largest: float

    @property
    def roundoff(self) -> float:
        """u = 2**-bits."""
        return 2.0**-self.bits


# Exponents as in 1.f·2^e. e4m3 and e5m2 are OCP's 8-bit formats (OFP8, 2023); e4m3 has no infinity, only NaN.
FORMATS: dict[str, Format] = {
    "fp64": Format(53, -1022, 1.7976931348623157e308),
    "fp32": Format(24, -126, 3.4028234663852886e38),
    "tf32": Format(11, -126, 3.4011621342146535e38),
    "fp16": Format(11, -14, 65504.0),
    "bf16": Format(8, -126, 3.3895313892515355e38),
    "e4m3": Format(4, -6, 448.0),
    "e5m2": Format(3, -14, 57344.0),
}


def rounded_to(values: npt.NDArray[Any], name: str) -> Floats:
    """Nearest numbers of a format of FORMATS as float64: ties to even, subnormals kept, infinity beyond its largest.

    Saturation would hide an overflow, hence infinity also where the format has none.
    """
    form = FORMATS[name]
    wide = np.asarray(values, np.float64)
    if name == "fp64":
        return wide
    exponent = np.maximum(np.frexp(wide)[1] - 1, form.least_exponent)
    quantum = np.ldexp(1.0, exponent - (form.bits - 1))
    near = np.rint(wide / quantum) * quantum
    return np.where(np.abs(near) > form.largest, np.copysign(np.inf, wide), near)


def fp8_bits(values: npt.NDArray[Any], name: str) -> Bits:
    """uint8 bits of the nearest number of "e4m3" or "e5m2", to even where two are; NaN beyond the largest.

    Both are cut out of float16: e5m2 is its upper half; e4m3 has the exponents of float16 when multiplied by 2⁻⁸, three
    bits behind, and no infinity.
    """
    near = rounded_to(values, name)
    if name == "e5m2":
        return (near.astype(np.float16).view(np.uint16) >> np.uint16(8)).astype(np.uint8)
    half = (near * 2.0**-8).astype(np.float16).view(np.uint16) >> np.uint16(7)
    bits = (half & np.uint16(0x7F) | half >> np.uint16(1) & np.uint16(0x80)).astype(np.uint8)
    return np.where(np.isfinite(near), bits, bits & np.uint8(0x80) | np.uint8(0x7F))


def fp8_values(bits: Bits, name: str) -> Floats:
    """The numbers of uint8 bits of "e4m3" or "e5m2"."""
    wide = bits.astype(np.uint16)
    if name == "e5m2":
        return (wide << np.uint16(8)).view(np.float16).astype(np.float64)
    half = (wide & np.uint16(0x80)) << np.uint16(8) | (wide & np.uint16(0x7F)) << np.uint16(7)
    return np.where(bits & np.uint8(0x7F) == 0x7F, np.nan, half.view(np.float16).astype(np.float64) * 2.0**8)
