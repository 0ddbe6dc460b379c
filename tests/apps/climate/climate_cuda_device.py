"""The device that the tests of the climate's CUDA kernels share, and those kernels in the place of the CPU's.

A kernel is compiled once for each set of types, for every capability, and both executed and audited.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from cuda_helpers.offline import Capability, Launch, compile_offline, kernels_in
from ptx.device import InterpretedDevice
from ptx.launching import Options
from ptx.linker import load_program
from ptx.program import Program

CAPABILITIES: tuple[Capability, ...] = ((8, 0), (9, 0), (10, 0))
# What only a CPU has; `work` is there on both, but of another size.
OF_THE_CPU = frozenset({"width", "chunks", "work"})

# Part of the machine code that must have run, averaged over the kernels.
LEAST_COVERED = 0.95


class CompiledOnce(InterpretedDevice):
    """An interpreted device of one capability that keeps the PTX of all."""

    def __init__(self, options: Options) -> None:
        super().__init__((9, 0), options)
        self._texts: dict[tuple[Any, ...], dict[Capability, str]] = {}

    def texts(self, kernel: Any, types: tuple[Any, ...]) -> dict[Capability, str]:
        """PTX for each of CAPABILITIES."""
        key = (kernel.py_func, types)
        if key not in self._texts:
            self._texts[key] = compile_offline(Launch(kernel, types), CAPABILITIES)
        return self._texts[key]

    def program(self, kernel: Any, types: tuple[Any, ...]) -> Program:
        """A kernel as the interpreter wants it."""
        key = (kernel.py_func, types)
        if key not in self.programs:
            self.programs[key] = load_program(self.texts(kernel, types)[self.capability])
        return self.programs[key]


DEVICE = CompiledOnce(Options(budget=200_000))


def parameters(function: Callable[..., Any]) -> list[str]:
    """Names of the parameters of a function, or of the Python behind a compiled one."""
    return list(inspect.signature(getattr(function, "py_func", function)).parameters)


def in_place_of(
    cpu: Callable[..., Any], gpu: Callable[..., Any], work_of: Callable[[Mapping[str, Any]], Any] | None = None
) -> Callable[..., None]:
    """The GPU's entry for callers of the CPU's.

    Parameters
    ----------
    work_of : makes the GPU's workspace from the named arguments
    """
    given, wanted = parameters(cpu), parameters(gpu)

    def call(*arguments: Any) -> None:
        named = dict(zip(given, arguments, strict=True))
        if work_of is not None:
            named["work"] = work_of(named)
        gpu(*(named[name] for name in wanted))

    return call


def whole_file_or_skip(request: pytest.FixtureRequest) -> None:
    """What a file has run is asked for where all of its tests run, in their order."""
    if request.config.getoption("keyword"):
        pytest.skip("the coverage is asked for only where all tests of the file are run")


def not_run(modules: Iterable[ModuleType]) -> list[str]:
    """Kernels of modules that DEVICE has not launched."""
    return sorted(_names(modules) - {launched.name for launched in DEVICE.launches})


def part_run(modules: Iterable[ModuleType]) -> float:
    """Part of the machine code of the kernels of modules that DEVICE has executed, the mean of all their variants."""
    ran: dict[int, np.ndarray] = {}
    for launched in DEVICE.launches:
        if launched.name in _names(modules):
            report = launched.report
            ran[id(report.program)] = report.executed | ran.get(id(report.program), report.executed)
    return float(np.mean([done.mean() for done in ran.values()]))


def _names(modules: Iterable[ModuleType]) -> set[str]:
    return {kernel.py_func.__name__ for kernel in kernels_in(list(modules)).values()}
