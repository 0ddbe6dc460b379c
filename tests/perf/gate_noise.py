"""Noise of launches as models, for the studies of gate and intervals: logarithms of times, consecutive in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
# (rng, cases, pairs) → (cases, pairs) log(candidate ÷ baseline) of equal versions, in random order within a pair
Pairs = Callable[[np.random.Generator, int, int], Floats]
SAMPLES = 20


@dataclass(frozen=True)
class Machine:
    """A noise model; all spreads are of the logarithm.

    Attributes
    ----------
    within, tail, tail_size : half-normal scatter of samples inside a launch; share and mean of exponential outliers
    launch : normal scatter between launches
    drift, memory : size and lag-1 correlation of a slow wander from launch to launch
    second, second_share : a second state of the machine: how much slower, and how often
    """

    within: float
    launch: float
    memory: float
    drift: float
    second_share: float
    second: float
    tail: float
    tail_size: float


MACHINES: dict[str, Machine] = {
    "quiet node": Machine(0.005, 0.004, 0.5, 0.003, 0.00, 0.00, 0.01, 0.05),
    "dedicated node, busy network": Machine(0.010, 0.010, 0.5, 0.010, 0.05, 0.04, 0.03, 0.15),
    "shared machine": Machine(0.020, 0.020, 0.6, 0.020, 0.10, 0.08, 0.05, 0.25),
    "nasty machine": Machine(0.050, 0.050, 0.7, 0.050, 0.25, 0.15, 0.10, 0.50),
}


def launch_samples(rng: np.random.Generator, machine: Machine, cases: int, launches: int, apart: int = 1) -> Floats:
    """(cases, launches, SAMPLES) logarithms of samples, launches in the order in which they ran.

    `apart` is how many launches later a case has its turn again: the drift forgets in between.
    """
    drift = np.empty((cases, launches))
    shocks = rng.normal(size=(cases, launches))
    memory = machine.memory**apart
    drift[:, 0] = shocks[:, 0]
    for number in range(1, launches):
        drift[:, number] = memory * drift[:, number - 1] + np.sqrt(1 - memory**2) * shocks[:, number]
    level = machine.drift * drift + machine.launch * rng.normal(size=(cases, launches))
    level += machine.second * (rng.random((cases, launches)) < machine.second_share)
    shape = (cases, launches, SAMPLES)
    samples = machine.within * np.abs(rng.normal(size=shape))
    samples += (rng.random(shape) < machine.tail) * rng.exponential(machine.tail_size, shape)
    return level[:, :, None] + samples


def launch_medians(rng: np.random.Generator, machine: Machine, cases: int, launches: int) -> Floats:
    """(cases, launches) logarithms of launch medians, in the order in which they ran."""
    return np.median(launch_samples(rng, machine, cases, launches), axis=2)


def interleaved(machine: Machine) -> Pairs:
    """Pairs of neighbouring launches in random order."""

    def pairs(rng: np.random.Generator, cases: int, count: int) -> Floats:
        medians = launch_medians(rng, machine, cases, 2 * count)
        differences = medians[:, 1::2] - medians[:, 0::2]
        return np.where(rng.random((cases, count)) < 0.5, -differences, differences)

    return pairs


def lockstep(spread: float, tail: float, tail_size: float) -> Pairs:
    """Blocks of alternated samples: normal scatter of a block's median ratio, with a share of larger ones."""

    def pairs(rng: np.random.Generator, cases: int, count: int) -> Floats:
        shape = (cases, count)
        return rng.normal(0, spread, shape) + (rng.random(shape) < tail) * rng.normal(0, tail_size, shape)

    return pairs


def resampled(real: Mapping[str, Floats]) -> Pairs:
    """Pairs drawn from real A/A runs: each case draws from one measured case, with random signs."""
    measured = list(real.values())

    def pairs(rng: np.random.Generator, cases: int, count: int) -> Floats:
        drawn = [rng.choice(measured[rng.integers(len(measured))], count) for _ in range(cases)]
        return np.array(drawn) * rng.choice([-1.0, 1.0], (cases, count))

    return pairs
