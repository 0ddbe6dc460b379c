"""How often the interval of an estimate holds the truth, over noise models whose truth is known.

    python tests/perf/interval_study.py [--cases N]

Prints the Markdown tables of docs/intervals.md. What is studied is what is shipped, `core.stats`. The truth is the
median over launches of the launch's median; for one launch it is that launch's own median.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
from gate_noise import MACHINES, SAMPLES, Floats, Machine, launch_samples

from clustermark.core.stats import Interval, launches_interval, median_interval, precise_enough

LAUNCHES = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 20)
APART = (1, 2, 4, 8)
# Far enough apart for a drift to have forgotten.
INDEPENDENT = 10**6
LEAST, MOST = 0.94, 0.96
TRUTH_DRAWS = 200_000

# (launches, SAMPLES) seconds → the interval that is to hold the truth
Maker = Callable[[Floats], Interval]


def shipped(seconds: Floats) -> Interval:
    """The interval of `core.stats.estimate` for these launches, without the rest of the estimate."""
    return median_interval(seconds[0]) if len(seconds) == 1 else launches_interval(np.median(seconds, axis=1))[0]


@functools.cache
def truth(machine: Machine) -> float:
    """[s] median over launches of a launch's median."""
    rng = np.random.default_rng(99)
    return math.exp(np.median(np.median(launch_samples(rng, machine, TRUTH_DRAWS, 1), axis=2)))


@functools.cache
def sample_median(machine: Machine) -> float:
    """[s] median of the samples inside a launch whose level is 1 s."""
    rng = np.random.default_rng(98)
    return math.exp(np.median(launch_samples(rng, _alone(machine), TRUTH_DRAWS, 1)))


def _alone(machine: Machine) -> Machine:
    """The noise inside a launch."""
    return Machine(machine.within, 0.0, 0.0, 0.0, 0.0, 0.0, machine.tail, machine.tail_size)


def coverage(
    machine: Machine, launches: int, cases: int, apart: int = INDEPENDENT, make: Maker = shipped, seed: int = 1
) -> float:
    """Share of `cases` whose interval holds the truth; of one launch, the truth is its own median."""
    rng = np.random.default_rng((seed, launches))
    known = sample_median(machine) if launches == 1 else truth(machine)
    drawn = np.exp(launch_samples(rng, _alone(machine) if launches == 1 else machine, cases, launches, apart))
    found = [make(case) for case in drawn]
    return sum(one.low <= known <= one.high for one in found) / cases


def stopped_coverage(machine: Machine, cases: int, target: float = 0.02) -> float:
    """As `coverage` of one launch that is sampled until its interval is narrow enough, as the harness does."""
    rng = np.random.default_rng(5)
    hits = 0
    for _ in range(cases):
        samples = np.exp(launch_samples(rng, _alone(machine), 1, 50)[0].ravel())
        count = SAMPLES
        while count < samples.size and not precise_enough(samples[:count], target):
            count = min(samples.size, count + max(1, count // 2))
        found = shipped(samples[None, :count])
        hits += found.low <= sample_median(machine) <= found.high
    return hits / cases


def row(name: str, shares: Sequence[float]) -> str:
    """A line of a Markdown table; what lies outside 94 to 96 % is in bold."""
    cells = [f"{share:.1%}" if LEAST <= share <= MOST else f"**{share:.1%}**" for share in shares]
    return f"| {name} | " + " | ".join(cells) + " |"


def header(first: str, names: Sequence[str]) -> str:
    """Heading of a Markdown table."""
    return f"| {first} | " + " | ".join(names) + " |\n|---|" + "--:|" * len(names)


def main() -> None:
    """Print the study."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--cases", type=int, default=20_000, help="draws for each figure")
    options = parser.parse_args()
    error = 1.96 * math.sqrt(0.95 * 0.05 / options.cases)
    print(f"{datetime.date.today()}, {options.cases} draws for each figure (± {error:.1%}).\n")
    print(header("noise, launches independent", [str(count) for count in LAUNCHES]))
    for name, machine in MACHINES.items():
        print(row(name, [coverage(machine, count, options.cases) for count in LAUNCHES]), flush=True)
    counts = (3, 6, 10)
    print("\n" + header("noise", [f"{count} launches, every {apart}." for apart in APART for count in counts]))
    for name, machine in MACHINES.items():
        shares = [coverage(machine, count, options.cases, apart) for apart in APART for count in counts]
        print(row(name, shares), flush=True)
    print("\n" + header("one launch, sampled until narrow enough", ["coverage"]))
    for name, machine in MACHINES.items():
        print(row(name, [stopped_coverage(machine, options.cases // 4)]), flush=True)


if __name__ == "__main__":
    main()
