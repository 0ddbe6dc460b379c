"""Everything a simulation is made from, and the facts of it that a restart must share."""

from __future__ import annotations

import math
from dataclasses import dataclass

from clustermark.apps.climate.keys import NO_TRACER, SHALLOW_WATER


@dataclass(frozen=True)
class Setup:
    """A simulation before its first step.

    Attributes
    ----------
    case : name of the initial state, and so of the equations
    cells : cells per 90°, 90/resolution
    levels : 1 for shallow water
    precision : "double"; primitive equations: "mixed", shallow water: "single"
    timestep : [s]
    overlap : compute the interior while the halo moves
    threads : per rank; 0: as many as the rank may use
    py, px : blocks of a panel in latitude and longitude; 0: chosen
    angle : of the flow's axis with the planet's (tc2) [rad]
    damping_hours : e-folding time of the shortest wave under ∇⁴ [h]; 0: no damping, None: as the case suggests
    damping_every : steps from one damping to the next
    fixer : scale the mass back to its start after every step
    flux_matching : make what leaves one panel enter the other
    tracer : shape of a passive tracer at the start, or "none"
    device : "cpu", or "cuda": the GPU that is bound to this rank
    direct_messages : the MPI is given messages in the memory of the device; else they are staged through the host
    """

    case: str
    cells: int
    levels: int
    precision: str
    timestep: float
    overlap: bool = True
    threads: int = 0
    py: int = 0
    px: int = 0
    angle: float = 0.0
    damping_hours: float | None = None
    damping_every: int = 4
    fixer: bool = True
    flux_matching: bool = True
    tracer: str = NO_TRACER
    device: str = "cpu"
    direct_messages: bool = False

    @property
    def shallow(self) -> bool:
        """Whether it is the shallow-water equations that are solved."""
        return self.case in SHALLOW_WATER

    @property
    def resolution(self) -> float:
        """Δ [degrees]."""
        return 90 / self.cells


# What must be the same for a state to fit; anything else of `physics` may change between two runs.
STATE_FACTS = ("case", "grid.resolution", "grid.levels", "tc2.angle")


def physics(setup: Setup) -> dict[str, str]:
    """What decides the numbers of a run besides its state, by name of the input's key, as text."""
    damping = "of the case" if setup.damping_hours is None else repr(setup.damping_hours)
    return {
        "case": setup.case,
        "grid.resolution": f"{setup.resolution:.10g}",
        "grid.levels": str(setup.levels),
        "tc2.angle": f"{math.degrees(setup.angle):.10g}",
        "precision": setup.precision,
        "run.timestep": repr(setup.timestep),
        "damping.hours": damping,
        "damping.every": str(setup.damping_every),
        "fixer": str(setup.fixer).lower(),
        "flux_matching": str(setup.flux_matching).lower(),
        "tracer": setup.tracer,
        "device": setup.device,
    }
