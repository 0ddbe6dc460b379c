"""bfloat16 in bits: rounded to nearest, there and back."""

from __future__ import annotations

import numpy as np

from clustermark.core.number_formats import bf16_bits, bf16_values


def test_every_bfloat16_is_its_own_nearest() -> None:
    bits = np.arange(2**16, dtype=np.uint16)
    bits = bits[(bits & 0x7F80) != 0x7F80]  # neither infinite nor NaN
    assert (bf16_bits(bf16_values(bits)) == bits).all()


def test_between_two_the_nearer_is_taken_and_the_even_one_halfway() -> None:
    one, next_one = 1.0, 1.0 + 2.0**-7
    values = np.array([one + 0.49 * 2**-7, one + 0.51 * 2**-7, one + 2.0**-8, next_one + 2.0**-8])
    assert bf16_values(bf16_bits(values)).tolist() == [one, next_one, one, next_one + 2.0**-7]
