"""The climate as a workload: prepared, stepped and checked by the harness."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from clustermark.apps.climate import cells_of
from clustermark.apps.climate.build import longest_timestep
from clustermark.apps.climate.cases import CASES, PrimitiveCase
from clustermark.apps.climate.counted_work import STAGE_WORDS, stage_flops
from clustermark.apps.climate.driver import STAGES, Simulation
from clustermark.apps.climate.layout import PRECISIONS
from clustermark.apps.climate.setup import Setup
from clustermark.apps.climate.stage_check import stage_error
from clustermark.apps.console.sections import share_of
from clustermark.core.counters import COMMUNICATION_SHARE, DISTANCE, ERROR
from clustermark.core.workload import Amount, Check, Trial

if TYPE_CHECKING:
    from clustermark.core.case import Case
    from clustermark.core.context import Context

PRECISION = {"fp64": "double", "mixed": "mixed", "fp32": "single"}
# Time steps before the first sample, and those of one measured step: one of them ends with the damping.
SETTLING, STEPS = 8, 4
# Words of the state that a time step cannot but read and write once (T_eff of ParallelStencil).
STATE_WORDS = 6
DAYS_PER_YEAR = 365.25
# Sections of a step in which ranks exchange cells; interpolation between the panels is part of them.
COMMUNICATION = ("halo",)
# Error of a stage against the float64 reference, of the largest change of a field in it: rounding.
STAGE_BOUND = {"fp64": 1e-10, "mixed": 1e-3, "fp32": 1e-3}
# Relative change of the mass since the start, which the fixer keeps.
MASS_BOUND = {"fp64": 1e-13, "mixed": 1e-13, "fp32": 1e-6}


def make_setup(case: Case) -> Setup:
    """The simulation that a case of the matrix asks for."""
    name, cells = str(case.params["case"]), cells_of(float(case.params["resolution"]))
    start = CASES[name]
    primitive = isinstance(start, PrimitiveCase)
    return Setup(
        case=name,
        cells=cells,
        levels=int(case.params["levels"]) if primitive else 1,
        precision=PRECISION[case.precision],
        timestep=longest_timestep(name, cells, start.planet.radius),
        overlap=bool(case.params["overlap"]),
        threads=case.threads,
        damping_every=STEPS,
        device=case.device,
        direct_messages=case.transport == "mpi_device",
    )


def make_trial(case: Case, context: Context) -> Trial:
    """Builds the model, lets it make some steps, and gives steps of STEPS time steps, one with damping."""
    transport = context.transport
    comm = getattr(transport, "comm", None) if transport.size > 1 else None
    simulation = Simulation(make_setup(case), comm)
    simulation.advance(SETTLING)
    counters = {
        "cells": float(simulation.cells),
        "timestep [s]": simulation.setup.timestep,
    }
    settled = simulation.sections()

    def check() -> Check:
        if comm is not None:
            own = {name: seconds - settled.get(name, 0.0) for name, seconds in simulation.sections().items()}
            counters[COMMUNICATION_SHARE] = share_of(comm, own, COMMUNICATION) or 0.0
        look = simulation.look()
        error, distance = (float(transport.maximum(found)) for found in stage_error(simulation, context.rng))
        kept = abs(simulation.budget.mass(simulation.resident) / simulation.fixer.reference - 1.0)
        bound, most = STAGE_BOUND[case.precision], MASS_BOUND[case.precision]
        counters[DISTANCE] = distance
        counters[ERROR + "mass [of itself]"] = kept
        counters[ERROR + "mass without its fixer [of itself]"] = abs(look.raw_mass_drift)
        detail = f"mass has changed by {kept:.2g} of itself (allowed {most:.2g}) at step {look.step}"
        return Check("stage / largest change of a field", error, bound, error <= bound and kept <= most, detail)

    cells = float(simulation.cells * STEPS)
    kind = "primitive" if isinstance(simulation.model.case, PrimitiveCase) else "shallow"
    word = np.dtype(PRECISIONS[simulation.setup.precision]).itemsize
    work = {
        "cell_steps": Amount(cells, "cell-step"),
        "stage_bandwidth": Amount(cells * len(STAGES) * STAGE_WORDS[kind] * word, "B"),
        "effective_bandwidth": Amount(cells * STATE_WORDS * word, "B"),
        "flop_rate": Amount(cells * len(STAGES) * stage_flops(kind, simulation.levels), "flop"),
        "simulated_years_per_day": Amount(STEPS * simulation.setup.timestep / DAYS_PER_YEAR, "SYPD·s", "SYPD"),
    }
    return Trial(partial(simulation.march, STEPS), check, work, counters=counters)
