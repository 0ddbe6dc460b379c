"""Sizes, rates and times as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clustermark.core.errors import UsageError
from clustermark.core.units import format_bytes, format_quantity, parse_bytes


@given(st.integers(0, 2**63 - 1))
def test_what_is_formatted_is_parsed_back(count: int) -> None:
    assert parse_bytes(format_bytes(count), "bytes") == count


@given(st.integers(0, 40).map(lambda power: 2**power))
def test_powers_of_two_are_short_and_parsed_back(count: int) -> None:
    assert len(format_bytes(count)) <= 7
    assert parse_bytes(format_bytes(count), "bytes") == count


@pytest.mark.parametrize(
    ("text", "count"),
    [("8B", 8), ("0", 0), (" 64 KiB ", 65536), ("64k", 65536), ("1GiB", 2**30), ("2TiB", 2**41), ("1mib", 2**20)],
)
def test_sizes_are_read(text: str, count: int) -> None:
    assert parse_bytes(text, "bytes") == count


@pytest.mark.parametrize(
    "text", ["", "B", "-8B", "1.5KiB", "8 apples", "8KB", "9999999TiB", "1" * 30, "٣KiB", "8\n\x1b[2J"]
)
def test_other_sizes_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match=r"params.bytes: .* is not a size; write") as caught:
        parse_bytes(text, "params.bytes")
    assert str(caught.value).isprintable()


@given(st.text(max_size=12))
def test_any_text_is_a_size_or_refused(text: str) -> None:
    try:
        assert 0 <= parse_bytes(text, "bytes") < 2**63
    except UsageError as error:
        assert str(error).isprintable()


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (5.9e10, "flop/s", "59.0 Gflop/s"),
        (1.23e-5, "s", "12.3 µs"),
        (0.9996e-3, "s", "1.00 ms"),
        (999.96, "B/s", "1.00 kB/s"),
        (2.0, "s", "2.00 s"),
        (0.0, "B/s", "0.00 B/s"),
        (0.0004, "d/d", "0.000400 d/d"),
        (-1.5e3, "B/s", "-1.50 kB/s"),
        (float("nan"), "s", "–"),
        (float("inf"), "s", "–"),
    ],
)
def test_quantities_have_three_digits_and_a_prefix(value: float, unit: str, text: str) -> None:
    assert format_quantity(value, unit) == text


@given(st.floats(1e-9, 1e20), st.sampled_from(["s", "B/s"]))
def test_a_shown_quantity_is_within_half_a_percent(value: float, unit: str) -> None:
    text = format_quantity(value, unit)
    number, _, rest = text.partition(" ")
    prefix = rest.removesuffix(unit)
    factor = {"": 1.0, "m": 1e-3, "µ": 1e-6, "n": 1e-9, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18}
    assert float(number) * factor[prefix] == pytest.approx(value, rel=0.0051)
