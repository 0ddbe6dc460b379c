"""How many one-instruction changes of kernels the checks notice: python tests/ptx/mutation_score.py [words of names]

Of the example kernels, and of those of the benchmarks.

Writes a table, and every survivor with its line. Takes some minutes; `make test` judges a sample of the same mutants.
"""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(1, str(Path(__file__).resolve().parents[1] / "benchmarks"))


from ptx.examples import NAMES, Example, c_example, numba_example
from ptx.mutants import Verdict, budgets_of, judge, mutants_of

REALS = ("float32", "float64")
LADDERS: Any = importlib.import_module("benchmark_ladders")
BENCHMARKS = (*LADDERS.STREAM_KERNELS, *LADDERS.REDUCTION_KERNELS, *LADDERS.PEAK_KERNELS, *LADDERS.HALO_KERNELS)
# Chains are 128 times the same instruction: some of them stand for all.
UNROLLED_EVERY = 16


def chosen(words: list[str]) -> list[tuple[Example, str | None]]:
    """The examples whose name holds all of the words."""
    examples: list[tuple[Example, str | None]] = [(numba_example(name, real), None) for name in NAMES for real in REALS]
    examples += [(c_example(name, real), name) for name in NAMES for real in REALS]
    examples += [kernel.example(kind) for kernel in BENCHMARKS for kind in kernel.kinds]
    return [(example, kernel) for example, kernel in examples if all(word in example.name for word in words)]


def judged(example: Example, kernel: str | None) -> list[Verdict]:
    """Verdicts on all mutants of an example."""
    budgets, every = budgets_of(example, kernel), 1
    if kernel is not None and kernel.startswith("peak"):
        every = UNROLLED_EVERY
    return [judge(example, mutant, kernel, budgets) for mutant in mutants_of(example.text, kernel, every=every)]


def main(words: list[str]) -> int:
    """Print scores and survivors; 1 where fewer than 85 of 100 mutants were noticed."""
    total, killed, reasons = 0, 0, Counter[str]()
    survivors: list[tuple[str, Verdict]] = []
    for example, kernel in chosen(words):
        verdicts = judged(example, kernel)
        alive = [verdict for verdict in verdicts if not verdict.killed_by]
        total, killed = total + len(verdicts), killed + len(verdicts) - len(alive)
        reasons.update(verdict.killed_by for verdict in verdicts if verdict.killed_by)
        survivors += [(example.name, verdict) for verdict in alive]
        print(f"{example.name:32} {len(verdicts) - len(alive):4} of {len(verdicts):4} noticed", flush=True)
    for name, verdict in survivors:
        mutant = verdict.mutant
        print(f"survives: {name}, line {mutant.line}, {mutant.kind}: {mutant.before[:90]}")
    print(f"noticed by: {', '.join(f'{reason} {count}' for reason, count in reasons.most_common())}")
    print(f"in all {killed} of {total} noticed, {100 * killed / max(total, 1):.1f} %")
    return 0 if killed >= 0.85 * total else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
