"""The ladder for one more kernel: declare it, and its machine code, results, traffic and faults are tested.

    class TestScaling(LadderChecks):
        KERNELS = (
            c_kernel("benchmarks/kernels/stream.cu", "stream_mul", {"float32": ("REAL=float",)}, Budget(24), cases),
        )

`cases(kind)` gives launches with their float64 references (`ptx.examples.Case`): odd sizes, one block and several.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

pytest.importorskip("numba_cuda", reason="numba-cuda is not installed: make test CUDA=1, or pip install '.[cuda-test]'")
pytest.importorskip(
    "cuda.bindings.nvrtc", reason="NVIDIA's compiler wheels are not installed: pip install '.[cuda-test]'"
)

from cuda_helpers.budgets import Budget, complaints, unreasoned
from cuda_helpers.counts import LADDER
from cuda_helpers.offline import PROGRAMS, Audit, Capability, Launch, audit_entries, compile_offline, entries_of
from cuda_helpers.tree import ROOT
from ptx.examples import Case, Example
from ptx.launching import Options, run_kernel
from ptx.linker import load_program
from ptx.mutants import budgets_of, killer, planted_faults
from ptx.nvrtc import compile_c
from ptx.traffic import traffic

from clustermark.devices.cuda_c import source_text

if not (PROGRAMS / "ptxas").exists() or not (PROGRAMS / "nvdisasm").exists():
    pytest.skip("ptxas or nvdisasm is not installed: pip install '.[cuda-test]'", allow_module_level=True)

CAPABILITIES: tuple[Capability, ...] = ((8, 0), (9, 0), (10, 0), (12, 0))
EXECUTED: Capability = (9, 0)
# Of the largest number of the reference: rounding of formulas of a few operations.
BOUNDS = {"float64": 4e-16, "float32": 2.4e-7}
# Part of the machine code of a variant that its cases must run.
LEAST_COVERED = 0.95

Cases = Callable[[str], Sequence[Case]]


@dataclass(frozen=True)
class Kernel:
    """A kernel on the ladder.

    Attributes
    ----------
    where : as `cuda_helpers.tree` names it, "benchmarks/kernels/stream.cu:stream_mul"
    kinds : kind of arithmetic → what is compiled for it: definitions of CUDA C, nothing for numba
    budget, cases : see there
    bounds : kind → largest error, as a part of the largest number of the reference
    moved : bytes that a case must read and write, each once; None where nothing is declared of it
    faults : (text, what is put in its place) planted in the PTX, beside those that every kernel gets
    dispatcher : numba's, for kernels of numba
    """

    where: str
    kinds: Mapping[str, tuple[str, ...]]
    budget: Budget
    cases: Cases
    bounds: Mapping[str, float] = field(default_factory=lambda: BOUNDS)
    moved: Callable[[Case], int] | None = None
    faults: tuple[tuple[str, str], ...] = ()
    dispatcher: Any = None

    @property
    def name(self) -> str:
        """Of the function."""
        return self.where.rsplit(":", 1)[1]

    @property
    def path(self) -> Path:
        """Its file."""
        return ROOT / self.where.rsplit(":", 1)[0]

    def text(self, kind: str, capability: Capability) -> str:
        """PTX; several kernels may stand in it."""
        if self.dispatcher is None:
            return _text_of_c(self.path, self.kinds[kind], capability)
        types = tuple(map(self.dispatcher.typeof_pyval, self.cases(kind)[0].arguments))
        return _texts_of_numba(self.dispatcher, types)[capability]

    def example(self, kind: str) -> tuple[Example, str | None]:
        """The kernel with its cases as mutants are judged by, and its name where PTX has several."""
        text = self.text(kind, EXECUTED)
        options = Options("c" if self.dispatcher is None else "numba", budget=200_000)
        name = self.name if self.dispatcher is None else None
        return Example(f"{self.name} {kind}", text, tuple(self.cases(kind)), options, self.bounds[kind]), name


def c_kernel(
    file: str, name: str, kinds: Mapping[str, tuple[str, ...]], budget: Budget, cases: Cases, **rest: Any
) -> Kernel:
    """A kernel of CUDA C; `rest` as in `Kernel`.

    Parameters
    ----------
    file : below the root of the tree
    kinds : kind of arithmetic → definitions, {"float32": ("REAL=float",)}
    """
    return Kernel(f"{file}:{name}", kinds, budget, cases, **rest)


def numba_kernel(dispatcher: Any, kinds: Sequence[str], budget: Budget, cases: Cases, **rest: Any) -> Kernel:
    """A kernel of numba, compiled for the types of its cases' arguments; `rest` as in `Kernel`."""
    return Kernel(where_of(dispatcher), dict.fromkeys(kinds, ()), budget, cases, dispatcher=dispatcher, **rest)


def where_of(dispatcher: Any) -> str:
    """A kernel of numba as `cuda_helpers.tree` names it."""
    code = dispatcher.py_func.__code__
    path = Path(code.co_filename).resolve()
    return f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}:{code.co_name}"


@cache
def _text_of_c(path: Path, definitions: tuple[str, ...], capability: Capability) -> str:
    return compile_c(source_text(path), capability, definitions)


@cache
def _texts_of_numba(dispatcher: Any, types: tuple[Any, ...]) -> dict[Capability, str]:
    return compile_offline(Launch(dispatcher, types), CAPABILITIES)


def audits_of(kernels: Sequence[Kernel], capability: Capability) -> dict[tuple[str, str], Audit]:
    """(where, kind) → audit, of kernels for one architecture."""
    texts, places = dict[str, str](), {}
    for kernel in kernels:
        for kind in kernel.kinds:
            text = kernel.text(kind, capability)
            file = f"{kernel.path} {kernel.kinds[kind]}" if kernel.dispatcher is None else f"{kernel.where} {kind}"
            texts[file] = text
            places[kernel.where, kind] = file, kernel.name if kernel.dispatcher is None else entries_of(text)[0]
    with tempfile.TemporaryDirectory() as folder:
        found = audit_entries(texts, capability, Path(folder))
    return {key: found[place] for key, place in places.items()}


@dataclass(frozen=True)
class Ran:
    """What the cases of a kernel did: errors, bytes moved, part of the machine code that ran, and what did not."""

    errors: tuple[float, ...]
    moved: tuple[int, ...]
    coverage: float
    not_run: tuple[tuple[int, str], ...]


def ran(kernel: Kernel, kind: str) -> Ran:
    """Run all cases of a kernel on the interpreter."""
    example, name = kernel.example(kind)
    program = load_program(example.text, name)
    errors, moved, done = [], [], np.zeros(len(program.steps), np.bool_)
    left: set[tuple[int, str]] | None = None
    for case in example.cases:
        arguments = case.fresh()
        with traffic() as counted:
            report = run_kernel(program, case.grid, case.block, arguments, example.options)
        errors.append(example.error(case, arguments))
        moved.append(counted.read + counted.written)
        done |= report.executed
        left = set(report.not_run) if left is None else left & set(report.not_run)
    return Ran(tuple(errors), tuple(moved), float(done.mean()), tuple(sorted(left or ())))


def unnoticed_faults(kernel: Kernel, kind: str) -> tuple[int, list[str]]:
    """How many faults were planted in a kernel, and those that its cases do not notice."""
    example, name = kernel.example(kind)
    budgets = budgets_of(example, name)
    planted = [(mutant.kind, mutant.text) for mutant in planted_faults(example.text, name)]
    for good, bad in kernel.faults:
        assert re.search(good, example.text), f"{kernel.where}: its PTX has no {good!r} to plant a fault in"
        planted.append((f"{good} to {bad}", re.sub(good, bad, example.text, count=1)))
    missed = []
    for what, text in planted:
        by = killer(example, text, name, budgets)
        if by == "result":
            LADDER.caught_a_fault()
        if not by:
            missed.append(what)
    return len(planted), missed


class LadderChecks:
    """Tests of the kernels of a subclass, which is called Test… and has KERNELS."""

    KERNELS: ClassVar[Sequence[Kernel]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test for each kernel and kind, or architecture."""
        if "kind" in metafunc.fixturenames:
            pairs = [(kernel, kind) for kernel in self.KERNELS for kind in kernel.kinds]
            metafunc.parametrize(("kernel", "kind"), pairs, ids=[f"{k.name}-{kind}" for k, kind in pairs])
        if "capability" in metafunc.fixturenames:
            metafunc.parametrize("capability", CAPABILITIES, ids=lambda c: f"sm_{c[0]}{c[1]}")

    def test_machine_code_keeps_its_budget(self, capability: Capability) -> None:
        """Registers, float64 instructions, wide loads as budgeted; no spill, no local memory."""
        found = audits_of(self.KERNELS, capability)
        assert [
            f"{kernel.where} for {kind}: {sentence}"
            for kernel in self.KERNELS
            for kind in kernel.kinds
            for sentence in complaints(found[kernel.where, kind], kernel.budget, [kind])
        ] == []

    def test_budgets_that_ask_for_much_say_why(self) -> None:
        """Half of the warps of sm_90 at work, no float64 beside float32, or a reason."""
        assert unreasoned({kernel.where: kernel.budget for kernel in self.KERNELS}) == []

    def test_results_are_those_of_the_reference(self, kernel: Kernel, kind: str) -> None:
        """In the precision of the GPU, with its fused operations; nearly all of the machine code runs."""
        found = ran(kernel, kind)
        assert max(found.errors) <= kernel.bounds[kind], found.errors
        assert found.coverage >= LEAST_COVERED, found.not_run
        if kernel.moved is not None:
            assert list(found.moved) == [kernel.moved(case) for case in kernel.cases(kind)]

    def test_planted_faults_are_noticed(self, kernel: Kernel, kind: str) -> None:
        """Changes of the machine code that must not pass."""
        planted, missed = unnoticed_faults(kernel, kind)
        assert planted >= 2
        assert missed == []
