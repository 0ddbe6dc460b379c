"""Rank program: every benchmark of communication on an honest transport and on ones that go wrong, and its verdicts."""

from __future__ import annotations

import json
import sys
from array import array
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from comm_helpers.benchmark_cases import cases

from clustermark.benchmarks import BENCHMARKS
from clustermark.core.case import Case
from clustermark.core.context import CompiledStep, Context, Exchange
from clustermark.core.precision import PRECISIONS
from clustermark.devices.cpu import CpuDevice
from clustermark.runners.launch_world import start_mpi


def idle_after(calls: int) -> Callable[[Callable[[], object]], Callable[[], object]]:
    """A call that does nothing any more after so many times."""

    def wrap(call: Callable[[], object]) -> Callable[[], object]:
        left = [calls]

        def limited() -> None:
            if left[0] > 0:
                left[0] -= 1
                call()

        return limited

    return wrap


class FewSteps:
    """The same for a step of compiled code."""

    def __init__(self, step: CompiledStep, calls: int) -> None:
        self.step, self.left = step, calls

    def __call__(self, steps: int) -> None:
        self.step(min(steps, self.left))
        self.left -= min(steps, self.left)

    def windows(self, steps: int, count: int) -> array[float]:
        for _ in range(count):
            self(steps)
        return array("d", bytes(8 * count))

    def windows_at(self, steps: int, count: int, first: float, distance: float) -> tuple[array[float], int]:
        return self.windows(steps, count), 0


def main(fabric: str, ranks: str) -> None:
    """Rank 0 prints {"wrong": honest cases that failed, "missed": {fault: cases that passed}, "cases": how many}."""
    mpi = start_mpi(fabric, int(ranks))
    from clustermark.transports.mpi import MpiTransport

    class Faulty(MpiTransport):
        """Every prepared call does nothing any more after so many times."""

        calls = 0

        def compile_step(self, parts: Any, before: Any = ()) -> CompiledStep:
            return FewSteps(super().compile_step(parts, before), self.calls)

        def __getattribute__(self, name: str) -> Any:
            found = super().__getattribute__(name)
            if not name.startswith("prepare_"):
                return found
            wrap = idle_after(self.calls)
            return lambda *arguments: wrap(found(*arguments))

    class Never(Faulty):
        """Nothing is ever moved."""

    class Once(Faulty):
        """Only the first step moves anything."""

        calls = 1

    class Swapped(MpiTransport):
        """Messages are taken in the other order."""

        def prepare_exchange(self, sends: Any, receives: Any) -> Callable[[], object]:
            return super().prepare_exchange(sends, list(receives)[::-1])

        def compile_step(self, parts: Any, before: Any = ()) -> CompiledStep:
            return super().compile_step([self.swapped(part) for part in parts], before)

        @staticmethod
        def swapped(part: Any) -> Any:
            return replace(part, receives=part.receives[::-1]) if isinstance(part, Exchange) else part

    every = cases(int(ranks), callers=("compiled", "python"))

    def passed(kind: type[MpiTransport], case: Case) -> bool:
        context = Context(CpuDevice(), kind(), PRECISIONS["fp64"], np.random.default_rng(1))
        trial = BENCHMARKS[case.workload].prepare(case, context)
        for _ in range(3):
            if trial.reset is not None:
                trial.reset()
            trial.step()
        return trial.check().passed

    honest = [case for case in every if not passed(MpiTransport, case)]
    missed = {
        kind.__name__: [
            case.label
            for case in every
            if case.params.get("bytes", 9) and (kind is not Swapped or swappable(case)) and passed(kind, case)
        ]
        for kind in (Never, Once, Swapped)
    }
    if mpi.COMM_WORLD.rank == 0:
        answer = {"wrong": [case.label for case in honest], "missed": missed, "cases": len(every)}
        print(json.dumps(answer), flush=True)
    mpi.Finalize()


def swappable(case: Case) -> bool:
    """Where both neighbours are one rank, or a window has several messages, order is all that pairs them."""
    return case.workload in ("halo_exchange", "multi_pair", "random_ring") and case.params.get("calls") != "sendrecv"


if __name__ == "__main__":
    main(*sys.argv[1:])
