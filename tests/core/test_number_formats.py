"""bfloat16 and the 8-bit floats in bits: rounded to nearest, there and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.core.number_formats import bf16_bits, bf16_values, fp8_bits, fp8_values, rounded_to


def test_every_bfloat16_is_its_own_nearest() -> None:
    bits = np.arange(2**16, dtype=np.uint16)
    bits = bits[(bits & 0x7F80) != 0x7F80]  # neither infinite nor NaN
    assert (bf16_bits(bf16_values(bits)) == bits).all()


def test_between_two_the_nearer_is_taken_and_the_even_one_halfway() -> None:
    one, next_one = 1.0, 1.0 + 2.0**-7
    values = np.array([one + 0.49 * 2**-7, one + 0.51 * 2**-7, one + 2.0**-8, next_one + 2.0**-8])
    assert bf16_values(bf16_bits(values)).tolist() == [one, next_one, one, next_one + 2.0**-7]


@given(st.floats(-1e5, 1e5))
def test_rounding_to_half_and_single_precision_is_numpys(value: float) -> None:
    with np.errstate(over="ignore"):
        assert rounded_to(np.array([value]), "fp16")[0] == np.float16(value)
    assert rounded_to(np.array([value]), "fp32")[0] == np.float32(value)


@pytest.mark.parametrize(
    ("name", "value", "nearest"),
    [
        ("e4m3", 448.0, 448.0),
        ("e4m3", 465.0, np.inf),
        ("e4m3", 17.0, 16.0),
        ("e4m3", 19.0, 20.0),
        ("e4m3", 2.0**-9, 2.0**-9),
        ("e4m3", 2.0**-10, 0.0),
        ("e5m2", 57344.0, 57344.0),
        ("e5m2", -70000.0, -np.inf),
        ("e5m2", 2.0**-16, 2.0**-16),
        ("tf32", 1 + 2.0**-11, 1.0),
        ("tf32", 1 + 3 * 2.0**-11, 1 + 2.0**-9),
        ("bf16", 1 + 2.0**-8, 1.0),
    ],
)
def test_rounding_to_short_formats_is_to_the_nearest_even(name: str, value: float, nearest: float) -> None:
    assert rounded_to(np.array([value]), name)[0] == nearest


@pytest.mark.parametrize(("name", "numbers", "known"), [
    ("e4m3", 254, {0x7E: 448.0, 0x08: 2.0**-6, 0x01: 2.0**-9, 0x38: 1.0, 0xC0: -2.0}),
    ("e5m2", 248, {0x7B: 57344.0, 0x04: 2.0**-14, 0x01: 2.0**-16, 0x3C: 1.0, 0xC0: -2.0}),
])  # fmt: skip
def test_every_8_bit_float_is_its_own_nearest(name: str, numbers: int, known: dict[int, float]) -> None:
    """Bits of the largest, the least normal and the least number, of 1 and of −2 are those of OFP8 (2023)."""
    bits = np.arange(256, dtype=np.uint8)
    values = fp8_values(bits, name)
    finite = np.isfinite(values)
    assert finite.sum() == numbers
    assert (fp8_bits(values[finite], name) == bits[finite]).all()
    assert {place: values[place] for place in known} == known


@given(st.floats(-1e5, 1e5))
def test_an_8_bit_float_is_the_nearest_number_or_none(value: float) -> None:
    for name in ("e4m3", "e5m2"):
        near, found = rounded_to(np.array([value]), name)[0], fp8_values(fp8_bits(np.array([value]), name), name)[0]
        assert found == near or not (np.isfinite(near) or np.isfinite(found))
