"""bfloat16 in bits: rounded to nearest, there and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.core.number_formats import bf16_bits, bf16_values, rounded_to


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
