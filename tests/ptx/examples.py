"""The example kernels with sizes, arguments and float64 references: what tests run and mutants are judged by."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ptx.launching import Options

# Of the largest number of the reference: rounding of sums of up to a thousand terms.
BOUND = {"float32": 2e-6, "float64": 1e-14}
NAMES = ("axpy", "total", "diffuse", "histogram", "lennard_jones")


@dataclass(frozen=True)
class Case:
    """One launch: grid, block, arguments in numba's order, and what one of them must hold afterwards."""

    grid: tuple[int, ...]
    block: tuple[int, ...]
    arguments: tuple[Any, ...]
    output: int
    expected: np.ndarray

    def fresh(self) -> list[Any]:
        """Arguments that a launch may change."""
        return [a.copy() if isinstance(a, np.ndarray) else a for a in self.arguments]


@dataclass(frozen=True)
class Example:
    """A kernel in PTX with its cases."""

    name: str
    text: str
    cases: tuple[Case, ...]
    options: Options
    bound: float

    def error(self, case: Case, arguments: list[Any]) -> float:
        """Largest difference to the reference, as a part of its largest number; infinite where one is no number."""
        found = np.asarray(arguments[case.output], np.float64)
        difference = np.abs(found - case.expected.reshape(found.shape)).max(initial=0.0)
        error = float(difference / max(np.abs(case.expected).max(initial=0.0), 1e-300))
        return error if np.isfinite(error) else float("inf")


def _axpy(real: str, generator: np.random.Generator) -> list[Case]:
    cases = []
    for n, blocks in ((200, 4), (64, 1), (1, 2)):
        x, y = (generator.normal(size=n).astype(real) for _ in range(2))
        a = np.dtype(real).type(2.625)
        cases.append(Case((blocks,), (64,), (a, x, y), 2, 2.625 * x.astype(float) + y))
    return cases


def _total(real: str, generator: np.random.Generator) -> list[Case]:
    cases = []
    for n, blocks in ((1000, 3), (67, 2), (5, 1)):
        x = generator.random(n).astype(real)
        cases.append(Case((blocks,), (64,), (x, np.full(1, 0.5, real)), 1, np.array([0.5 + x.sum(dtype=float)])))
    return cases


def _diffuse(real: str, generator: np.random.Generator) -> list[Case]:
    cases = []
    for rows, columns in ((21, 30), (8, 16), (9, 9)):
        u, v = generator.random((2, rows, columns)).astype(real)
        wide, expected = u.astype(float), v.astype(float)
        around = wide[:-2, 1:-1] + wide[2:, 1:-1] + wide[1:-1, :-2] + wide[1:-1, 2:]
        expected[1:-1, 1:-1] = wide[1:-1, 1:-1] + 0.125 * (around - 4 * wide[1:-1, 1:-1])
        grid = (-(-rows // 8), -(-columns // 8))
        cases.append(Case(grid, (8, 8), (u, v, np.dtype(real).type(0.125)), 1, expected))
    return cases


def _histogram(real: str, generator: np.random.Generator) -> list[Case]:
    cases = []
    for n, blocks in ((300, 5), (128, 2), (3, 1)):
        keys = generator.integers(-2000, 2000, n).astype(np.int32)
        counts = np.arange(16, dtype=np.int32)
        expected = np.bincount(keys % 16, minlength=16) + np.arange(16)
        cases.append(Case((blocks,), (64,), (keys, counts), 1, expected.astype(float)))
    return cases


def _lennard_jones(real: str, generator: np.random.Generator) -> list[Case]:
    """A disturbed lattice; and a perfect one, with pairs at exactly half of the box and at exactly the cutoff.

    Each forwards and backwards: compilers treat the last atoms of a loop apart, and these stand at either end then,
    with all of their neighbours. One even number of atoms, and one atom: loops are unrolled by two.
    """
    cases = []
    for side, left_out, disturbance, cutoff_square, step in (
        *((3, 4, 0.25, 5.0625, order) for order in (1, -1)),
        *((2, 1, 0.0, 4.5, order) for order in (1, -1)),
        *((2, left_out, 0.0, 4.5, 1) for left_out in (2, 7)),
    ):
        block = 32 if side > 2 else 8
        box = 1.5 * side
        lattice = np.stack(np.meshgrid(*[np.arange(side)] * 3), -1).reshape(-1, 3) * 1.5
        lattice = np.delete(lattice, slice(2 - step, 2 - step + left_out), axis=0)
        positions = (lattice + generator.random(lattice.shape) * disturbance).astype(real)[::step].copy()
        wide = positions.astype(float)
        d = wide[:, None] - wide[None]
        d = np.where(d > box / 2, d - box, np.where(d < -box / 2, d + box, d))
        square = (d**2).sum(-1)
        near = (square < cutoff_square) & ~np.eye(len(wide), dtype=bool)
        inverse = 1 / np.where(near, square, 1.0)
        scale = np.where(near, 24 * (2 * inverse**6 - inverse**3) * inverse, 0.0)
        expected = (scale[..., None] * d).sum(1)
        one = np.dtype(real).type
        arguments = (positions, one(box), one(cutoff_square), np.full_like(positions, 7))
        cases.append(Case((-(-len(wide) // block),), (block,), arguments, 3, expected))
    return cases


_CASES: dict[str, Callable[[str, np.random.Generator], list[Case]]] = {
    "axpy": _axpy,
    "total": _total,
    "diffuse": _diffuse,
    "histogram": _histogram,
    "lennard_jones": _lennard_jones,
}


def numba_example(name: str, real: str, capability: tuple[int, int] = (9, 0)) -> Example:
    """One of NAMES, as numba compiles it."""
    from cuda_helpers.offline import Launch, compile_offline

    from ptx import example_kernels

    cases = _CASES[name](real, np.random.default_rng(7))
    kernel = getattr(example_kernels, name)
    types = tuple(map(kernel.typeof_pyval, cases[0].arguments))
    text = compile_offline(Launch(kernel, types), [capability])[capability]
    bound = 0.0 if name == "histogram" else BOUND[real]
    return Example(f"{name} {real} numba", text, tuple(cases), Options(budget=30_000), bound)


def c_example(name: str, real: str, capability: tuple[int, int] = (9, 0)) -> Example:
    """One of NAMES, as NVRTC compiles it; sizes follow the arguments of numba."""
    from ptx.example_kernels import IN_C
    from ptx.nvrtc import compile_c

    c_real = {"float32": "float", "float64": "double"}[real]
    text = compile_c(IN_C, capability, (f"REAL={c_real}",))
    cases = []
    for case in _CASES[name](real, np.random.default_rng(7)):
        first = next(a for a in case.arguments if isinstance(a, np.ndarray))
        sizes = first.shape if name == "diffuse" else first.shape[:1]
        cases.append(Case(case.grid, case.block, (*case.arguments, *sizes), case.output, case.expected))
    bound = 0.0 if name == "histogram" else BOUND[real]
    return Example(f"{name} {real} C", text, tuple(cases), Options("c", budget=30_000), bound)
