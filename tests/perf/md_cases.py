"""The systems of md_vs_lammps.py, their targets, and one row of its tables."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conditions import UNCLEAR, Target

from clustermark.core.stats import order_statistic_interval

NO_TARGET = Target(math.inf, load_only_adds=False)
PAIRS = 12


def at_least(least: float, unit: str = "×") -> Target:
    """Of a ratio, which foreign load can move either way."""
    return Target(math.inf, least, unit, load_only_adds=False)


@dataclass(frozen=True)
class Case:
    """One system, and how it is taken in turns.

    Attributes
    ----------
    name : for people and the command line
    potential : "lj" (LAMMPS' bench/in.lj) or "eam" (bench/in.eam)
    cells : unit cells a side, 4 atoms each
    steps : of one block
    targets : precision → multiple of the best LAMMPS
    gromacs : also against GROMACS
    precisions : of ours
    trials : blocks of each LAMMPS variant before the pairs; the fastest stays
    """

    name: str
    potential: str
    cells: int
    steps: int
    targets: Mapping[str, Target]
    gromacs: bool = False
    precisions: Sequence[str] = ("double", "mixed", "single")
    trials: int = 2

    @property
    def atoms(self) -> int:
        """Four a cell."""
        return 4 * self.cells**3


# A block is whole lives of a list. That of EAM is longer, because its lists live as long as the atoms let them.
CASES: dict[str, Case] = {
    case.name: case
    for case in (
        Case("lj-32k", "lj", 20, 40, {"double": at_least(3.5), "mixed": at_least(4.5)}, gromacs=True),
        Case("lj-256k", "lj", 40, 20, {"double": at_least(3.0), "mixed": at_least(4.0)}),
        Case(
            "lj-1m",
            "lj",
            63,
            20,
            {"double": at_least(2.5), "mixed": at_least(3.2)},
            precisions=("double", "mixed"),
            trials=1,
        ),
        Case("eam-32k", "eam", 20, 60, {"double": at_least(1.5)}),
    )
}


def specification(case: Case, folder: Path, core: int, table: Path | None = None) -> dict[str, Any]:
    """What md_ours.py and md_lammps.py make a system from; JSON.

    Parameters
    ----------
    folder : of the states that both sides start from
    core : that the start is made on
    table : funcfl (.eam) or setfl file of an embedded-atom system
    """
    common = {"cells": case.cells, "state": str(folder / f"{case.name}.npz"), "cores": [core], "timestep": 0.005}
    if case.potential == "lj":
        rule = {"skin": 0.3, "every": 20, "check": False}
        system = {"potential": "lj", "units": "lj", "mass": 1.0, "constant": (4 / 0.8442) ** (1 / 3)}
        return common | rule | system | {"temperature": 1.44, "table": ""}
    rule = {"skin": 1.0, "every": 5, "check": True}
    kind = "funcfl" if str(table).endswith(".eam") else "setfl"
    system = {"potential": kind, "units": "metal", "mass": 63.55, "constant": 3.615}
    return common | rule | system | {"temperature": 1600.0, "table": str(table)}


@dataclass(frozen=True)
class Ratio:
    """Median of the ratios of pairs of blocks, with the order-statistic interval of the median."""

    value: float
    low: float
    high: float
    pairs: int


def ratio_of(slower: Sequence[float], faster: Sequence[float]) -> Ratio:
    """How many times longer the first took, pair by pair.

    Parameters
    ----------
    slower, faster : (pairs,) [s], taken in turns
    """
    ratios = [a / b for a, b in zip(slower, faster, strict=True)]
    interval = order_statistic_interval(ratios)
    return Ratio(statistics.median(ratios), interval.low, interval.high, len(ratios))


def fastest(blocks: Mapping[str, Sequence[float]]) -> str:
    """The name whose median block is the shortest."""
    return min(blocks, key=lambda name: statistics.median(blocks[name]))


def verdict_of(ratio: Ratio, target: Target, load: str) -> str:
    """As Target has it; an undecided one says where its median lies; "" without a target."""
    if target.least == -math.inf and target.most == math.inf:
        return ""
    verdict = target.verdict(ratio.low, ratio.high, load)
    if verdict != UNCLEAR:
        return verdict
    return f"{UNCLEAR}, median {'inside' if target.least <= ratio.value <= target.most else 'outside'}"


def rate(atoms: int, steps: int, seconds: Sequence[float]) -> float:
    """[10⁶ atom-steps/s] of the median block."""
    return atoms * steps / statistics.median(seconds) / 1e6


def row(case: str, sides: tuple[str, str], rates: tuple[float, float], ratio: Ratio, target: Target, load: str) -> dict:
    """One line of a table: `sides` and `rates` are those of the one compared with, and of ours."""
    return {
        "case": case,
        "against": sides[0],
        "Matom-steps/s": f"{rates[0]:.2f}",
        "clustermark": sides[1],
        "Matom-steps/s ": f"{rates[1]:.2f}",
        "ratio": f"{ratio.value:.2f}",
        "interval": f"{ratio.low:.2f} … {ratio.high:.2f}",
        "pairs": str(ratio.pairs),
        "target": "" if target is NO_TARGET else str(target),
        "verdict": verdict_of(ratio, target, load),
    }


class DisagreementError(AssertionError):
    """Two sides that should have computed the same system have not."""


@dataclass(frozen=True)
class Tolerance:
    """Relative differences that two sides may have."""

    energy: float
    temperature: float


# Both start from the same state. Trajectories part by rounding, so temperatures differ by their fluctuation,
# √(2/3N) of 32,000 atoms = 0.5 %; the energy is conserved but for what a list that is not checked misses.
CLOSE = Tolerance(5e-4, 0.03)
# GROMACS starts every block anew, while the temperature of the others still falls a little, and its leap-frog takes
# the velocities of the start for those half a step earlier.
LOOSE = Tolerance(1.5e-3, 0.10)


def agree(first: Mapping[str, Any], second: Mapping[str, Any], tolerance: Tolerance = CLOSE) -> None:
    """That two sides have kept the same energy per atom and temperature; raises DisagreementError."""
    for name, allowed in (("energy", tolerance.energy), ("temperature", tolerance.temperature)):
        a, b = float(first[name]), float(second[name])
        if not abs(a - b) <= allowed * max(abs(a), abs(b)):
            raise DisagreementError(
                f"{name} is {a:.6g} on one side and {b:.6g} on the other, which differ by more than {allowed:g} "
                f"of it: the two have not computed the same system"
            )
