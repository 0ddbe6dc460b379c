"""From the names and numbers of a setup to what is computed with: the case, its levels, its damping, a stable Δt."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numba
import numpy as np

from clustermark.apps.climate.cases import CASES, Case, PrimitiveCase
from clustermark.apps.climate.cases.case import equal_levels
from clustermark.apps.climate.cases.williamson import steady_flow
from clustermark.apps.climate.layout import Floats
from clustermark.apps.climate.setup import Setup
from clustermark.core.errors import UsageError

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Model:
    """What a setup means.

    Attributes
    ----------
    setup : the names and numbers
    case : analytic state, planet, forcing
    interfaces : (levels + 1,) σ at the interfaces; empty for shallow water
    damping_hours : e-folding time of the shortest wave [h]; 0: no damping
    threads : per rank
    """

    setup: Setup
    case: Case
    interfaces: Floats
    damping_hours: float
    threads: int


def make_model(setup: Setup) -> Model:
    """Look the case up and fill in what a setup leaves open.

    Raises
    ------
    UsageError : more threads than numba was started with, or a damping that would blow up
    """
    case = case_of(setup)
    hours = setup.damping_hours
    if hours is None:
        hours = case.damping_hours
    # ∇⁴ applied explicitly every n steps takes 4nΔt/τ of the checkerboard away: below 2 it shrinks.
    longest = 0.5 * hours * SECONDS_PER_HOUR
    if 0 < longest < setup.timestep * setup.damping_every:
        raise UsageError(
            f"damping.hours is {hours:g}, too strong for {setup.damping_every} steps of {setup.timestep:g} s between "
            f"two dampings: expected {setup.timestep * setup.damping_every / (0.5 * SECONDS_PER_HOUR):.3g} or more; "
            f"lengthen it, or shorten damping.every or run.timestep"
        )
    return Model(setup, case, interfaces_of(case, setup.levels), hours, _threads_of(setup))


def case_of(setup: Setup) -> Case:
    """The case of that name; Williamson's second at any angle."""
    if setup.case == "tc2":
        return steady_flow("tc2", setup.angle)
    return CASES[setup.case]


def interfaces_of(case: Case, levels: int) -> Floats:
    """σ of so many levels: those of the case's paper where their number is the same, else of equal thickness."""
    if not isinstance(case, PrimitiveCase):
        return np.array([])
    return np.array(case.interfaces if len(case.interfaces) == levels + 1 else equal_levels(levels))


def fastest_wave(case: Case, depth: float) -> float:
    """Speed of the fastest gravity wave [m/s]: √(gh) in water, √(R_d T/(1 − κ)) at 300 K in an atmosphere."""
    planet = case.planet
    if isinstance(case, PrimitiveCase):
        return math.sqrt(planet.gas_constant * 300.0 / (1.0 - planet.kappa))
    return math.sqrt(planet.gravity * max(depth, 0.0))


def _threads_of(setup: Setup) -> int:
    most = int(numba.config.NUMBA_NUM_THREADS)  # pyright: ignore  # made when numba is imported
    if setup.threads > most:
        raise UsageError(
            f"threads is {setup.threads}, numba was started with {most}; use fewer, or set NUMBA_NUM_THREADS"
        )
    return setup.threads or min(most, len(os.sched_getaffinity(0)))
