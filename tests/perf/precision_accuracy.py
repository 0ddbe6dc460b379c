"""Errors of every way to multiply matrices on every class of inputs, as docs/precisions.md shows them.

    python tests/perf/precision_accuracy.py --n 1024

An error is the largest of 256 random entries, relative to |A||B|, against correctly rounded dot products of the
float64 matrices; "!" marks one beyond the bound, which has no speed.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from tabulate import tabulate

from clustermark.benchmarks.gemm import GEMM, INPUTS, VARIANTS
from clustermark.core.case import Case
from clustermark.core.context import Context
from clustermark.core.precision import PRECISIONS
from clustermark.devices.cpu import CpuDevice
from clustermark.transports.local import LocalTransport


def error_of(precision: str, variant: str, inputs: str, n: int) -> tuple[str, str]:
    """What the check of one product found, and its arithmetic."""
    params = {p.name: p.default for p in GEMM.params} | {"n": n, "variant": variant, "inputs": inputs}
    case = Case(GEMM.name, GEMM.version, params, precision, "cpu", "local", "self", 1, 1)
    context = Context(CpuDevice(), LocalTransport(), PRECISIONS[precision], np.random.default_rng(3))
    trial = GEMM.prepare(case, context)
    trial.step()
    check = trial.check()
    return f"{check.error:.1e}{'' if check.passed else ' !'}", trial.arithmetic


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=1024)
    n = parser.parse_args().n
    rows = []
    for precision, variants in VARIANTS.items():
        for variant in variants:
            if precision == "int8":
                error, arithmetic = error_of(precision, variant, "", n)
                rows.append([precision, variant, arithmetic, f"{error} (integers)", *[""] * (len(INPUTS) - 1)])
                continue
            found = [error_of(precision, variant, inputs, n) for inputs in INPUTS]
            rows.append([precision, variant, found[0][1], *(error for error, _ in found)])
    print(tabulate(rows, ["precision", "variant", "arithmetic", *INPUTS], tablefmt="github", disable_numparse=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
