"""The FMA loop does the work it counts."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from clustermark.benchmarks.peak import MOST_ITERATIONS, PEAK
from clustermark.core.case import Case
from clustermark.devices import fma
from clustermark.devices.dot_chains import CHAINS, dot_chains, products_of_chains
from clustermark.devices.simd_dots import DOTS, choose_dot, host_features
from clustermark.devices.simd_tiles import tile_of


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_each_lane_of_each_chain_follows_the_recurrence(dtype: str) -> None:
    scalar = np.dtype(dtype).type
    for iterations in (1, 2, 5):
        expected = 0.0
        for chain in range(fma.CHAINS):
            x = float(scalar(1.0) + scalar(chain))
            for _ in range(iterations):
                x = fma.MULTIPLIER * x + fma.ADDEND
            expected += fma.lanes(dtype) * x
        found = float(fma.fma_chains(iterations, scalar(1.0)))
        assert found == pytest.approx(expected, rel=1e-12 if dtype == "float64" else 1e-5)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_machine_code_has_one_fma_per_chain_and_no_scalar_loop(dtype: str) -> None:
    compiled = numba.njit(fma.fma_chains.py_func)  # code from the cache cannot be inspected
    compiled(1, np.dtype(dtype).type(1.0))
    suffix = "pd" if dtype == "float64" else "ps"
    if fma.vector_bytes() < 32:
        pytest.skip("this CPU has no vector FMA of x86")
    register = {64: "%zmm", 32: "%ymm"}[fma.vector_bytes()]
    counts = [
        sum(1 for line in text.splitlines() if "vfmadd" in line and suffix in line and register in line)
        for text in compiled.inspect_asm().values()
    ]
    assert max(counts) % fma.CHAINS == 0
    assert max(counts) >= fma.CHAINS


def test_flops_are_counted_per_lane_and_chain() -> None:
    assert fma.flop_per_iteration("float32") == 2 * fma.CHAINS * fma.vector_bytes() // 4


@pytest.mark.parametrize(
    "name",
    [choose_dot("int8", host_features()).name, "int8 vpdpbusd plain", "bf16 as fp32", "bf16 tdpbf16ps plain"],
)
def test_chains_of_words_add_up_what_they_count(name: str) -> None:
    dot = DOTS[name]
    numbers = [3, 5, 7, 2][: dot.group]
    if dot.total == "float32":
        word = sum((int(np.float32(x).view(np.uint32)) >> 16) << 16 * i for i, x in enumerate(numbers))
    else:
        word = sum(x << 32 // dot.group * i for i, x in enumerate(numbers))
    expected = products_of_chains(dot, 10) / dot.group * sum(x * x for x in numbers)
    assert dot_chains(tile_of(dot), 10, np.int32(word), np.int32(word)) == expected


def test_the_machine_code_multiplies_once_per_chain() -> None:
    dot = choose_dot("int8", host_features())
    if not dot.needs:
        pytest.skip("this CPU has no instruction for sums of products of int8")
    compiled = numba.njit(dot_chains.py_func)
    compiled(tile_of(dot), 1, np.int32(1), np.int32(1))
    (text,) = compiled.inspect_asm().values()
    assert text.count(f"\t{dot.name.split()[1]}\t") >= CHAINS


def test_more_iterations_than_the_sums_hold_are_refused() -> None:
    for precision, sums in (("bf16", "fp32"), ("int8", "int32")):
        most = MOST_ITERATIONS[precision]
        for iterations, refused in ((most, False), (most + 1, True)):
            case = Case("peak", 1, {"iterations": iterations}, precision, "cpu", "local", "self", 1, 1)
            assert (f"sums of ones in {sums}, exact up to iterations = {most}" in PEAK.refuse(case)) == refused
