"""Steps of the Held–Suarez climate with 20 levels: time, share of the halo, simulated years per day.

usage: [mpirun -n N] climate_step.py [CELLS …]     cells per 90°; 22 and 45 (4.1° and 2°) unless given
One rank takes all cores as threads; more ranks take one each. Each line is the quickest of some stretches of steps,
and the section times of the rank that spent most on its halo. Words: what
the resident set of this rank grows by, with the kernels that are loaded for the first time.
"""

from __future__ import annotations

import os
import sys
from time import perf_counter
from typing import Any

from md_child import resident_bytes

from clustermark.apps.climate.build import longest_timestep
from clustermark.apps.climate.cases import CASES
from clustermark.apps.climate.driver import make_simulation
from clustermark.apps.climate.setup import Setup
from clustermark.core.environment import affinity

CASE, LEVELS, SECONDS, STRETCHES, WARM_UP = "held_suarez", 20, 3.0, 5, 8
DAYS_A_YEAR = 365.25
# Variables by which a process knows that an mpirun started it.
LAUNCHED = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "PMIX_RANK")


def stretch(simulation: Any, steps: int, comm: Any) -> tuple[float, dict[str, float]]:
    """[s] of so many steps, and of their sections on this rank."""
    before = simulation.sections()
    if comm is not None:
        comm.Barrier()
    begin = perf_counter()
    simulation.advance(steps)
    if comm is not None:
        comm.Barrier()
    time = perf_counter() - begin
    return time, {name: seconds - before[name] for name, seconds in simulation.sections().items()}


def line(cells: int, precision: str, comm: Any) -> str:
    """What one precision and resolution takes. Collective."""
    ranks = comm.size if comm is not None else 1
    threads = max(1, len(affinity()) // ranks)
    timestep = longest_timestep(CASE, cells, CASES[CASE].planet.radius)
    empty = resident_bytes()["VmRSS"]
    simulation = make_simulation(Setup(CASE, cells, LEVELS, precision, timestep, threads=threads, overlap=False), comm)
    time, _ = stretch(simulation, WARM_UP, comm)
    held = resident_bytes()["VmRSS"] - empty
    steps = max(2, round(SECONDS / STRETCHES * WARM_UP / time))
    if comm is not None:
        steps = comm.bcast(steps, 0)
    time, sections = min((stretch(simulation, steps, comm) for _ in range(STRETCHES)), key=lambda found: found[0])
    if comm is not None:
        sections = max(comm.allgather(sections), key=lambda found: found["halo"])
    step = time / steps
    parts = ", ".join(f"{name} {1e3 * seconds / steps:.2f}" for name, seconds in sections.items())
    return (
        f"{90 / cells:.3g}° {precision}, {ranks} × {threads}: Δt {timestep:.0f} s, {1e3 * step:.2f} ms a step "
        f"({parts}); "
        f"halo {100 * sections['halo'] / time:.0f} %; {timestep / DAYS_A_YEAR / step:.0f} SYPD; "
        f"{1e-6 * simulation.cells / step:.1f} Mcell-steps/s; "
        f"{held * ranks / simulation.cells / (8 if precision == 'double' else 4):.0f} words a cell with the code"
    )


def main() -> None:
    resolutions = [int(argument) for argument in sys.argv[1:]] or [22, 45]
    comm = None
    if any(name in os.environ for name in LAUNCHED):
        from mpi4py import MPI

        comm = MPI.COMM_WORLD
    for cells in resolutions:
        for precision in ("double", "mixed"):
            text = line(cells, precision, comm)
            if comm is None or comm.rank == 0:
                print(text, flush=True)


if __name__ == "__main__":
    main()
