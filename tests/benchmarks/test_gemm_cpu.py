"""The CPU's own matrix product: exact against integers, for every type, size, stride and instruction."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pytest

from clustermark.benchmarks.kernels.gemm_host_cpu import MOST_INT8, Workspace, multiply, pieces
from clustermark.core.number_formats import bf16_bits
from clustermark.devices.simd_dots import DOTS, EMULATED, NATIVE, choose_dot, host_features
from clustermark.devices.simd_tiles import UNROLL, tile_of

ELEMENTS = ("float64", "float32", "int8", "uint16")
# The best way of every type, and stand-ins for instructions that this CPU may lack.
WAYS = {choose_dot(element, host_features()).name: None for element in ELEMENTS}
WAYS |= dict.fromkeys(("int8 vpdpbusd plain", "bf16 vdpbf16ps plain", "int8 tdpbssd plain", "bf16 tdpbf16ps plain"))
# Beyond a tile, a block of rows and a block of words in every type, by numbers that divide by nothing.
SIZES = [(1, 1, 1), (7, 17, 5), (13, 3, 33), (151, 1301, 35)]


def whole_numbers(element: str, shape: tuple[int, int], seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Integers small enough for exact sums in any order, stored and as int64."""
    rng = np.random.default_rng(seed)
    if element == "int8":
        values = rng.integers(-128, 128, shape)
        values.flat[0] = -128
        return values.astype(np.int8), values
    values = rng.integers(-9, 10, shape)
    return (bf16_bits(values.astype(float)) if element == "uint16" else values.astype(element)), values


@pytest.mark.parametrize("name", WAYS)
def test_every_way_to_add_products_is_exact_on_integers_at_every_size(name: str) -> None:
    workspace = Workspace(DOTS[name].element, dot=DOTS[name])
    for m, k, n in SIZES:
        (a, a_values), (b, b_values) = (
            whole_numbers(workspace.dot.element, shape, k + i) for i, shape in enumerate(((m, k), (k, n)))
        )
        c = np.full((m, n), 77, workspace.dot.total)
        multiply(a, b, c, workspace)
        assert (c == a_values @ b_values).all(), (m, k, n)
        multiply(a, b, c, workspace, alpha=-2, accumulate=True)
        assert (c == -(a_values @ b_values)).all(), (m, k, n)


@pytest.mark.parametrize("element", ELEMENTS)
def test_transposed_reversed_and_strided_matrices_give_the_same_product(element: str) -> None:
    workspace = Workspace(element, threads=2)
    (a, a_values), (b, b_values) = (whole_numbers(element, shape, 1) for shape in ((130, 61), (61, 190)))
    wanted = a_values @ b_values
    spaced = np.zeros((61, 3 * 190), a.dtype)[:, ::3]
    spaced[...] = b
    for left in (a, np.asfortranarray(a), a[::-1]):
        for right in (b, np.asfortranarray(b), spaced):
            for c in (np.zeros(wanted.shape, workspace.dot.total), np.zeros(wanted.shape[::-1], workspace.dot.total).T):
                multiply(left, right, c, workspace)
                assert (c == (wanted[::-1] if left.strides[0] < 0 else wanted)).all()


def test_the_memory_around_a_submatrix_is_left_alone() -> None:
    workspace = Workspace("float64", threads=2)
    rng = np.random.default_rng(2)
    a, b = rng.uniform(size=(100, 40)), rng.uniform(size=(40, 110))
    around = np.full((120, 130), 5.0)
    multiply(a, b, around[10:110, 10:120], workspace)
    assert np.allclose(around[10:110, 10:120], a @ b)
    around[10:110, 10:120] = 5.0
    assert (around == 5.0).all()


def test_pieces_of_threads_cover_every_entry_once() -> None:
    tile = tile_of(choose_dot("float64", host_features()))
    for m, n, threads in ((2048, 2048, 2), (5, 3000, 4), (3000, 5, 4), (1, 1, 8), (700, 900, 6)):
        touched = np.zeros((m, n), int)
        for place in pieces(m, n, threads, tile):
            touched[place] += 1
        assert (touched == 1).all()
        assert len(pieces(m, n, threads, tile)) <= threads


def test_an_inner_length_of_nothing_gives_zeros_unless_something_is_added_to() -> None:
    workspace = Workspace("float64")
    c = np.ones((3, 4))
    multiply(np.zeros((3, 0)), np.zeros((0, 4)), c, workspace, accumulate=True)
    assert (c == 1).all()
    multiply(np.zeros((3, 0)), np.zeros((0, 4)), c, workspace)
    assert (c == 0).all()


def test_what_does_not_fit_is_refused_with_both_sides_named() -> None:
    workspace = Workspace("int8")
    eight, wide = np.zeros((2, 3), np.int8), np.zeros((3, 2), np.int32)
    with pytest.raises(ValueError, match=r"expected \(m, n\)"):
        multiply(eight, eight, wide, workspace)
    with pytest.raises(ValueError, match="expected int8, int8, int32"):
        multiply(eight, wide, np.zeros((2, 2), np.int32), workspace)
    long = np.zeros((1, MOST_INT8 + 1), np.int8)
    with pytest.raises(ValueError, match="fit int32 up to 131071"):
        multiply(long, long.T, np.zeros((1, 1), np.int32), workspace)


@pytest.mark.parametrize(
    ("element", "features", "name", "path"),
    [
        ("int8", "avx2 fma", "int8 vpmaddwd 256", NATIVE),
        ("int8", "avx2 fma avxvnni", "int8 vpdpbusd 256", NATIVE),
        ("int8", "avx2 avxvnni avxvnniint8", "int8 vpdpbssd 256", NATIVE),
        ("int8", "avx2 avx512f avx512bw", "int8 vpmaddwd 512", NATIVE),
        ("int8", "avx2 avx512f avx512bw avx512vnni", "int8 vpdpbusd 512", NATIVE),
        ("int8", "avx512f avx512vnni amx-tile amx-int8", "int8 tdpbssd", NATIVE),
        ("uint16", "avx512f avx512bf16 amx-tile amx-bf16", "bf16 tdpbf16ps", NATIVE),
        ("uint16", "avx512f avx512bf16 amx-tile amx-int8", "bf16 vdpbf16ps 512", NATIVE),
        ("int8", "sse2", "int8 pairs of int16", EMULATED),
        ("uint16", "avx512f avx512bf16", "bf16 vdpbf16ps 512", NATIVE),
        ("uint16", "avx512f avx512bw", "bf16 as fp32", EMULATED),
        ("uint16", "", "bf16 as fp32", EMULATED),
        ("float64", "avx", "float64 fma 128", NATIVE),
        ("float32", "avx512f avx2 fma", "float32 fma 512", NATIVE),
    ],
)
def test_features_that_are_masked_change_the_instruction_and_its_label(
    element: str, features: str, name: str, path: str
) -> None:
    dot = choose_dot(element, features.split())
    assert (dot.name, dot.path) == (name, path)


# CPU, way to add products → what its instruction is called in assembly.
INSTRUCTIONS = {
    ("znver4", "bf16 vdpbf16ps 512"): "vdpbf16ps",
    ("sapphirerapids", "int8 vpdpbusd 512"): "vpdpbusd",
    ("sapphirerapids", "float64 fma 512"): "vfmadd",
    ("sapphirerapids", "int8 tdpbssd"): "tdpbssd",
    ("sapphirerapids", "bf16 tdpbf16ps"): "tdpbf16ps",
    ("alderlake", "int8 vpdpbusd 256"): "vpdpbusd",
    ("sierraforest", "int8 vpdpbssd 256"): "vpdpbssd",
    ("skylake-avx512", "int8 vpmaddwd 512"): "vpmaddwd",
}
ASSEMBLY = """
import sys
import numba
import numpy as np
from clustermark.devices.simd_dots import DOTS
from clustermark.devices.simd_matrix import begin_tiles, end_tiles
from clustermark.devices.simd_tiles import tile_of, tile_product

@numba.njit
def product(tile, a, b, c, alpha, start):
    begin_tiles(tile)
    tile_product(tile, a, 0, b, 0, 1024, c, 0, 0, (alpha, 1, start, 0, 0, 0))
    end_tiles(tile)

for name in sys.argv[1:]:
    dot = DOTS[name]
    words, sums = np.zeros(1, dot.word), np.zeros((1, 1), dot.total)
    kinds = [numba.typeof(x) for x in (tile_of(dot), words, words, sums, sums[0, 0], sums[0])]
    product.compile(tuple(kinds))
    print(name, product.inspect_asm(product.signatures[-1]).replace("\\n", "\\t\\t"), sep="|")
"""


@pytest.mark.parametrize("cpu", sorted({cpu for cpu, _ in INSTRUCTIONS}))
def test_code_for_another_cpu_has_its_instruction_and_keeps_its_sums_in_registers(cpu: str) -> None:
    """Compiled in a process of its own, which cannot run it."""
    names = [name for other, name in INSTRUCTIONS if other == cpu]
    environment = {**os.environ, "NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": ""}
    done = subprocess.run(
        [sys.executable, "-c", ASSEMBLY, *names],
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name, line in zip(names, done.stdout.splitlines(), strict=True):
        assert line.startswith(name)
        shape = tile_of(DOTS[name])
        # The turn of the loop over words: from a label to the first jump.
        turns = [block.partition("\tj")[0] for block in re.split(r"\t\t\.LBB\S+:", line)]
        counted = {turn: turn.count(f"\t{INSTRUCTIONS[cpu, name]}") for turn in turns}
        turn = max(turns, key=lambda each: counted[each])
        if shape.dot.matrix:
            # Two tiles of A and two of B are loaded, each once, for four products.
            assert counted[turn] in (4, 8, 16)
            assert turn.count("\ttileloadd") == counted[turn]
            assert "ldtilecfg" in line
            assert "tilerelease" in line
        else:
            assert counted[turn] == UNROLL * shape.rows * shape.vectors
            assert turn.count("\tprefetcht1") == 1, "one line of the next panel of B a turn"
        assert "%rsp" not in turn, "a sum, a row or a column went through memory"
