"""The CUDA kernels of the benchmarks on the ladder: budgets, launches with their references, bytes that they move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from cuda_helpers.budgets import Budget
from cuda_helpers.ladder import Kernel, c_kernel, numba_kernel
from ptx import bfloat, exact
from ptx.examples import Case

from clustermark.benchmarks.kernels import stream_cuda
from clustermark.benchmarks.membw import WORDS

FOLDER = "benchmarks/kernels"
REALS = {"float64": ("REAL=double",), "float32": ("REAL=float",)}
# Sums of up to 200 terms of one sign.
SUMS = {"float64": 2e-14, "float32": 1e-5, "float16": 1e-5}
SCALAR = 0.375

# --- stream --------------------------------------------------------------------------------------------------

# Inputs, in order, and the formula; outputs are last.
STREAM: dict[str, tuple[int, bool, Callable[..., Any]]] = {
    "copy": (1, False, lambda x: x),
    "mul": (1, True, lambda x: SCALAR * x),
    "add": (2, False, lambda x, y: x + y),
    "triad": (2, True, lambda x, y: x + SCALAR * y),
}
# Elements, threads of a block: the last block begun and full, a single element, less than a pack, one block, several.
SIZES = ((1003, 64), (1, 32), (3, 32), (254, 64), (256, 64))


def stream_cases(name: str, language: str) -> Callable[[str], list[Case]]:
    """Launches of one of STREAM."""
    inputs, scaled, formula = STREAM[name]

    def cases(real: str) -> list[Case]:
        generator, made = np.random.default_rng(7), []
        for n, block in SIZES:
            arrays = [generator.uniform(-1, 1, n).astype(real) for _ in range(inputs)]
            expected = formula(*(array.astype(float) for array in arrays))
            lanes = 16 // np.dtype(real).itemsize if language == "C" else 1
            blocks = -(-(n // lanes + n % lanes) // block)
            first = [np.int64(n)] if language == "C" else []
            scalar = [np.dtype(real).type(SCALAR)] if scaled else []
            arguments = (*first, *scalar, *arrays, np.full(n, np.nan, real))
            made.append(Case((blocks,), (block,), arguments, len(arguments) - 1, expected))
        return made

    return cases


def parts(terms: np.ndarray, grid: int, block: int, lanes: int) -> np.ndarray:
    """Sum of the terms of each block: packs in strides of the grid, what is left over to the first threads."""
    packs = len(terms) // lanes
    thread = np.concatenate(
        [np.repeat(np.arange(packs) % (grid * block), lanes), np.arange(len(terms) - packs * lanes)]
    )
    return np.bincount(thread // block, terms, grid)


def dot_cases(language: str) -> Callable[[str], list[Case]]:
    """Launches of stream_dot."""

    def cases(real: str) -> list[Case]:
        generator, made = np.random.default_rng(8), []
        for n, grid, block in ((1003, 2, 64), (1, 1, 32), (3, 1, 32), (901, 3, 96), (512, 1, 64)):
            a, b = (generator.uniform(0.5, 1, n).astype(real) for _ in range(2))
            lanes = 16 // np.dtype(real).itemsize if language == "C" else 1
            expected = parts(a.astype(float) * b, grid, block, lanes)
            arguments = (*([np.int64(n)] if language == "C" else []), a, b, np.full(grid, np.nan, real))
            made.append(Case((grid,), (block,), arguments, len(arguments) - 1, expected))
        return made

    return cases


def end_cases(language: str) -> Callable[[str], list[Case]]:
    """Launches of what adds partial sums up."""

    def cases(real: str) -> list[Case]:
        generator, made = np.random.default_rng(9), []
        for n, block in ((1, 32), (77, 64), (300, 96)):
            values = generator.uniform(0.5, 1, n).astype("float32" if real == "float16" else real)
            first = [np.int32(n)] if language == "C" else []
            out = np.full(1, np.nan, values.dtype)
            expected = np.array([values.sum(dtype=float)])
            made.append(Case((1,), (block,), (*first, values, out), len(first) + 1, expected))
        return made

    return cases


def words(name: str) -> Callable[[Case], int]:
    """Bytes that the benchmark declares for a launch, and the partial sums where there are some."""

    def moved(case: Case) -> int:
        arrays = [argument for argument in case.arguments if isinstance(argument, np.ndarray)]
        return WORDS[name] * arrays[0].nbytes + (arrays[-1].nbytes if name == "dot" else 0)

    return moved


def all_arrays(case: Case) -> int:
    """Every byte of every array, once."""
    return sum(argument.nbytes for argument in case.arguments if isinstance(argument, np.ndarray))


def _stream_budget(name: str, language: str) -> Budget:
    wide = {"LDG.E.128": STREAM[name][0], "STG.E.128": 1} if language == "C" else {}
    return Budget(24, least=wide, threads=256)


STREAM_KERNELS: tuple[Kernel, ...] = (
    *(
        c_kernel(
            *(f"{FOLDER}/stream.cu", f"stream_{name}", REALS, _stream_budget(name, "C"), stream_cases(name, "C")),
            moved=words(name),
        )
        for name in STREAM
    ),
    c_kernel(
        *(f"{FOLDER}/stream.cu", "stream_dot", REALS, Budget(56, least={"LDG.E.128": 2}, threads=256), dot_cases("C")),
        bounds=SUMS,
        moved=words("dot"),
    ),
    c_kernel(
        *(f"{FOLDER}/stream.cu", "stream_dot_end", REALS, Budget(24, threads=1024), end_cases("C")),
        bounds=SUMS,
        moved=all_arrays,
    ),
    *(
        numba_kernel(
            *(getattr(stream_cuda, f"stream_{name}"), tuple(REALS), _stream_budget(name, "numba")),
            stream_cases(name, "numba"),
            moved=words(name),
        )
        for name in STREAM
    ),
    numba_kernel(
        *(stream_cuda.stream_dot, tuple(REALS), Budget(40, threads=256), dot_cases("numba")),
        bounds=SUMS,
        moved=words("dot"),
    ),
    numba_kernel(
        *(stream_cuda.stream_dot_end, tuple(REALS), Budget(24, threads=1024), end_cases("numba")),
        bounds=SUMS,
        moved=all_arrays,
    ),
)

# --- reduction -----------------------------------------------------------------------------------------------

REDUCED = {
    "float64": ("REAL=double", "SUM=double"),
    "float32": ("REAL=float", "SUM=float"),
    "float16": ("REAL=unsigned short", "SUM=float"),
}


def reduction_cases(real: str) -> list[Case]:
    """Launches of the sums of blocks."""
    generator, made = np.random.default_rng(10), []
    for n, grid, block in ((1003, 2, 64), (1, 1, 32), (7, 1, 32), (2050, 3, 96), (1024, 1, 64)):
        values = generator.uniform(0.5, 1, n).astype(real)
        lanes = 16 // values.itemsize
        stored = values.view(np.uint16) if real == "float16" else values
        out = np.full(grid, np.nan, "float32" if real == "float16" else real)
        expected = parts(values.astype(float), grid, block, lanes)
        made.append(Case((grid,), (block,), (np.int64(n), stored, out), 2, expected))
    return made


REDUCTION_KERNELS: tuple[Kernel, ...] = (
    c_kernel(
        *(f"{FOLDER}/reduction.cu", "reduction", REDUCED, Budget(48, least={"LDG.E.128": 1}, threads=256)),
        reduction_cases,
        bounds=SUMS,
        moved=all_arrays,
    ),
    c_kernel(
        *(f"{FOLDER}/reduction.cu", "reduction_end", REDUCED, Budget(24, threads=1024), end_cases("C")),
        bounds=SUMS,
        moved=all_arrays,
    ),
)

# --- peak ----------------------------------------------------------------------------------------------------

CHAINS, UNROLLED = 8, 16
MULTIPLIER, ADDEND = 0.875, 0.375


def _packed(numbers: Any, kind: str) -> np.ndarray:
    """Two numbers side by side, as the kernel has them."""
    if kind == "fp16":
        return np.repeat(np.asarray(numbers, np.float16), 2).view(np.uint32)
    upper = np.asarray(numbers, np.float32).view(np.uint32) >> np.uint32(16)
    return upper * np.uint32(0x10001)


def peak_cases(kind: str) -> list[Case]:
    """Launches of the chains of one kind of arithmetic: none, one and three groups of steps, two blocks."""
    start = np.arange(1.0, CHAINS + 1)
    return [peak_case(kind, start, groups, grid) for groups, grid in ((3, 2), (1, 1), (0, 1))]


def peak_case(kind: str, start: np.ndarray, groups: int, grid: int) -> Case:
    """One launch, with what each chain must hold to the last bit."""
    steps, block = groups * UNROLLED, 32
    if kind == "int8":
        factors = [np.uint32(0x7F80FF03), np.uint32(0x05FE8001)]
        dot = int(factors[0].reshape(1).view(np.int8).astype(int) @ factors[1].reshape(1).view(np.int8).astype(int))
        begun = np.arange(CHAINS, dtype=np.uint32)
        chain = ((begun.astype(np.int64) + steps * dot) % 2**32).astype(np.uint32)
    elif kind in ("fp16", "bf16"):
        factors, begun = [_packed([v], kind)[0] for v in (MULTIPLIER, ADDEND)], _packed(start, kind)
        chain = begun
        values: type = np.float16 if kind == "fp16" else np.uint16
        fma: Callable[..., np.ndarray] = exact.fma if kind == "fp16" else bfloat.fma
        for _ in range(steps):
            m, x, a = (np.asarray(word, np.uint32).reshape(-1).view(values) for word in (factors[0], chain, factors[1]))
            chain = fma(*np.broadcast_arrays(np.resize(m, x.size), x, np.resize(a, x.size))).view(np.uint32)
    else:
        real = np.float64 if kind == "fp64" else np.float32
        factors, begun = [real(MULTIPLIER), real(ADDEND)], start.astype(real)
        chain = begun
        for _ in range(steps):
            chain = exact.fma(np.full_like(chain, MULTIPLIER), chain, np.full_like(chain, ADDEND))
    out = np.zeros(CHAINS * grid * block, begun.dtype)
    expected = np.repeat(chain.astype(float), grid * block)
    return Case((grid,), (block,), (np.int32(groups), *factors, begun, out), 4, expected)


ISSUED = {"fp64": "DFMA", "fp32": "FFMA", "fp16": "HFMA2", "bf16": "HFMA2", "int8": "IDP.4A"}
PEAK_KERNELS: tuple[Kernel, ...] = tuple(
    c_kernel(
        *(f"{FOLDER}/peak.cu", f"peak_{kind}", {kind: ()}, Budget(40, least={name: CHAINS * UNROLLED}, threads=256)),
        peak_cases,
        bounds={kind: 0.0},
    )
    for kind, name in ISSUED.items()
)

# --- halo ----------------------------------------------------------------------------------------------------


def slots(n: int, width: int, ghosts: bool) -> list[tuple[slice, ...]]:
    """The box of a field that each slot of a message is made of, or goes to."""
    found = []
    for axis in range(3):
        for high in (False, True):
            box = [slice(width, width + n)] * 3
            if ghosts:
                box[axis] = slice(n + width, n + 2 * width) if high else slice(0, width)
            else:
                box[axis] = slice(width, 2 * width) if high else slice(n, n + width)
            found.append(tuple(box))
    return found


def halo_cases(unpacks: bool) -> Callable[[str], list[Case]]:
    """Launches of pack or unpack."""

    def cases(real: str) -> list[Case]:
        generator, made = np.random.default_rng(12), []
        for n, width, block in ((5, 2, 32), (7, 1, 64), (1, 1, 32), (4, 3, 96), (4, 2, 32)):
            field = generator.random((n + 2 * width,) * 3).astype(real)
            message = generator.random(6 * width * n * n).astype(real)
            grid = (-(-width * n * n // block), 6)
            if unpacks:
                expected = field.astype(float)
                for box, values in zip(slots(n, width, True), message.reshape(6, -1), strict=True):
                    expected[box] = values.reshape(expected[box].shape)
                arrays = (message, field)
            else:
                expected = np.concatenate([field[box].ravel() for box in slots(n, width, False)])
                arrays = (field, np.full_like(message, np.nan))
            made.append(Case(grid, (block,), (np.int32(n), np.int32(width), *arrays), 3, expected))
        return made

    return cases


def halo_moved(unpacks: bool) -> Callable[[Case], int]:
    """Bytes of a message, and of the cells that it is made of: cells of edges of the cube are read once."""

    def moved(case: Case) -> int:
        n, width, *arrays = case.arguments
        message = arrays[0 if unpacks else 1]
        cells = np.zeros((n + 2 * width,) * 3, np.bool_)
        for box in slots(int(n), int(width), unpacks):
            cells[box] = True
        return int(message.nbytes + cells.sum() * message.itemsize)

    return moved


HALO_KERNELS: tuple[Kernel, ...] = tuple(
    c_kernel(
        *(f"{FOLDER}/halo.cu", name, REALS, Budget(24, threads=256), halo_cases(unpacks)),
        bounds={"float64": 0.0, "float32": 0.0},
        moved=halo_moved(unpacks),
    )
    for name, unpacks in (("halo_pack", False), ("halo_unpack", True))
)
