"""Canonical ensembles: Langevin, stochastic velocity rescaling and Nosé–Hoover chains.

**One hook.** With B a kick, A a drift and T a thermostat step, the engine does B(h/2) A(h) B(h/2) and then calls
`end_of_step`, which is T(h): velocities and positions both belong to the end of the step there. Output comes after it.
That is right for all three: T(h) is the closing half of this step and the opening half of the next with nothing in
between, so positions are those of the symmetric splitting T(h/2) B A B T(h/2), whose configurational error is of second
order in h; and T never touches positions. T(h/2) alone preserves the canonical distribution (Langevin, rescaling) or
the conserved energy (Nosé–Hoover), so what is seen half a T later is as right.

Velocity Verlet without a thermostat may fuse the closing kick of a step with the opening one of the next; where
`needs_full_step` is true, and `end_of_step` is to be called, it may not.
"""

from __future__ import annotations

import math

from clustermark.apps.md.model import Floats, Units
from clustermark.apps.md.nose_hoover import NoseHoover
from clustermark.apps.md.slots import Thermostat
from clustermark.apps.md.stochastic_thermostats import Langevin, StochasticRescaling
from clustermark.core.errors import UsageError, nearest, plain

ENSEMBLES = ("nve", "langevin", "csvr", "nose-hoover")

# Fewest steps in a Nosé–Hoover time: with fewer, the chain moves faster than the integrator can follow.
STEPS_PER_TIME = 10


def make_thermostat(
    kind: str,
    temperature: float,
    time: float,
    seed: int,
    timestep: float,
    degrees_of_freedom: int,
    units: Units,
    masses: Floats,
) -> Thermostat | None:
    """The thermostat of an ensemble; None for "nve".

    Parameters
    ----------
    kind : one of ENSEMBLES
    temperature : > 0 [temperature]
    time : > 0 [time]: 1/friction, relaxation time of the kinetic energy, or τ of the chain's inertia
    seed : 0 ≤ seed < 2⁶³, unused by "nose-hoover"
    timestep : > 0 [time]
    degrees_of_freedom : of the velocities, over all ranks: 3(N − 1) where momentum is conserved; unused by "langevin"
    units : of the system
    masses : (types,) float64 [mass]

    Returns
    -------
    a Thermostat at its start; `restore` it to go on with a run

    Raises
    ------
    UsageError : an unknown kind, or a value that is out of its range
    """
    if kind not in ENSEMBLES:
        raise UsageError(f"ensemble '{plain(kind)}' is unknown{nearest(kind, ENSEMBLES)}; choose one of these")
    if kind == "nve":
        return None
    for name, value in (("temperature", temperature), ("time", time), ("timestep", timestep)):
        if not (math.isfinite(value) and value > 0):
            raise UsageError(f"ensemble {kind}: {name} = {value}: expected a positive number; give one")
    if not 0 <= seed < 2**63:
        raise UsageError(f"ensemble {kind}: seed = {seed}: expected 0 ≤ seed < 2⁶³; give another")
    if kind == "langevin":
        return Langevin(temperature, time, seed, timestep, units, masses)
    if degrees_of_freedom < 1:
        raise UsageError(f"ensemble {kind}: no degree of freedom has a temperature; give at least two atoms")
    if kind == "csvr":
        return StochasticRescaling(temperature, time, seed, timestep, degrees_of_freedom, units, masses)
    if time < STEPS_PER_TIME * timestep:
        raise UsageError(
            f"ensemble nose-hoover: time = {time}: expected at least {STEPS_PER_TIME} time steps of {timestep}, "
            "or the chain is not integrated faithfully; give a longer time"
        )
    return NoseHoover(temperature, time, timestep, degrees_of_freedom, units, masses)
