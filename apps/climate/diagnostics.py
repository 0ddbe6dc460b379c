"""What people look at: fields at cell centres for files and pictures, budgets and extremes for the terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from clustermark.apps.climate.budget import ROOM, Budget, MassFixer
from clustermark.apps.climate.cases import PrimitiveCase
from clustermark.apps.climate.decomposition import Block, Domain, evolved
from clustermark.apps.climate.engine import Look, Output
from clustermark.apps.climate.gathering import gather
from clustermark.apps.climate.grid import PanelGrid, true_points
from clustermark.apps.climate.initial import on_panels
from clustermark.apps.climate.keys import NO_TRACER
from clustermark.apps.climate.layout import HALO, Array, Floats, State
from clustermark.apps.climate.metric import Metric
from clustermark.apps.climate.model import Model, fastest_wave
from clustermark.apps.climate.tracer import Tracer
from clustermark.apps.climate.transport import MOST_OUTFLOW
from clustermark.apps.climate.vertical import make_levels
from clustermark.apps.climate.winds import true_winds, turns_of, vorticity
from clustermark.core.errors import ClustermarkError

SHALLOW_OUTPUTS = {
    "h": Output("depth of the fluid", "", "m", 2),
    "surface": Output("height of the free surface", "", "m", 2),
    "u_east": Output("wind to the east", "eastward_wind", "m s-1", 2),
    "v_north": Output("wind to the north", "northward_wind", "m s-1", 2),
    "vorticity": Output("relative vorticity", "atmosphere_relative_vorticity", "s-1", 2),
}
PRIMITIVE_OUTPUTS = {
    "ps": Output("surface pressure", "surface_air_pressure", "Pa", 2),
    "u_east": Output("wind to the east", "eastward_wind", "m s-1", 3),
    "v_north": Output("wind to the north", "northward_wind", "m s-1", 3),
    "temperature": Output("temperature", "air_temperature", "K", 3),
    "theta": Output("potential temperature", "air_potential_temperature", "K", 3),
    "vorticity": Output("relative vorticity", "atmosphere_relative_vorticity", "s-1", 3),
}


ADVICE = "use a shorter timestep or more damping, and go on from the last restart file"


class Observed(Protocol):
    """What is looked at of a driver.Simulation."""

    model: Model
    grid: PanelGrid
    domain: Domain
    metric: Metric
    budget: Budget
    fixer: MassFixer
    comm: Any
    tracer: Tracer | None
    levels: int
    step: int
    time: float

    @property
    def resident(self) -> State:
        """The prognostic fields where kernels work on them."""
        ...

    @property
    def state(self) -> State:
        """The prognostic fields on the host."""
        ...


class Diagnostics:
    """Fields at cell centres, made when asked for."""

    def __init__(self, simulation: Observed) -> None:
        """The table of outputs of the simulation's case."""
        self._simulation = simulation
        case = simulation.model.case
        # What frames need again and again: directions at the centres, and the ground under the water.
        domain = simulation.domain
        self._turns = turns_of(domain)
        if not isinstance(case, PrimitiveCase):
            self._bottom = domain.cut(on_panels(domain.grid, "center", case.bottom))
        # Surface pressure is the weight of the air above.
        self._weight = case.planet.gravity if isinstance(case, PrimitiveCase) else 1.0
        self.outputs = dict(PRIMITIVE_OUTPUTS if isinstance(case, PrimitiveCase) else SHALLOW_OUTPUTS)
        if simulation.tracer is not None:
            dimensions = 3 if isinstance(case, PrimitiveCase) else 2
            self.outputs["tracer"] = Output("mixing ratio of a passive tracer", "", "1", dimensions)

    def gather(self, name: str) -> Array | None:
        """(2, [levels,] rows, columns) float64 on rank 0, None elsewhere; halos must be valid. Collective."""
        simulation = self._simulation
        with np.errstate(all="ignore"):  # what stands behind the halos may overflow
            field = self._make(name, simulation.state)
        if self.outputs[name].dimensions == 2 and field.ndim == 4:
            field = field[:, 0]
        return gather(simulation.domain, field, simulation.comm)

    def _make(self, name: str, state: State) -> Floats:
        simulation = self._simulation
        fields: dict[str, Callable[[], Floats]] = {
            "h": lambda: state.mass.astype(np.float64),
            "surface": lambda: state.mass + self._bottom,
            "ps": lambda: state.mass,
            "u_east": lambda: true_winds(self._turns, state)[0],
            "v_north": lambda: true_winds(self._turns, state)[1],
            "vorticity": lambda: vorticity(simulation.metric, state),
            "theta": lambda: _as_float64(state.theta),
            "temperature": lambda: self._temperature(state),
            "tracer": lambda: _as_float64(state.tracer),
        }
        return fields[name]()

    def _temperature(self, state: State) -> Floats:
        """T = θ·c_k·(p_s/p₀)^κ."""
        model = self._simulation.model
        planet = model.case.planet
        levels = make_levels(planet, model.interfaces)
        exner = (state.mass / planet.reference_pressure) ** planet.kappa
        return _as_float64(state.theta) * levels.exner[:, np.newaxis, np.newaxis] * exner[:, np.newaxis]

    def look(self) -> Look:
        """Budgets, extremes and the Courant number; the same on all ranks. Collective.

        Raises
        ------
        ClustermarkError : a step too long for the tracer
        """
        simulation = self._simulation
        self._check_outflow()
        state, fixer, comm = simulation.state, simulation.fixer, simulation.comm
        extremes = {name: self._extremes(array) for name, array in named_fields(simulation.model.case, state)}
        if comm is not None:
            ranks = comm.allgather(extremes)
            extremes = {name: (min(r[name][0] for r in ranks), max(r[name][1] for r in ranks)) for name in extremes}
        return Look(
            step=simulation.step,
            time=simulation.time,
            mass=simulation.budget.mass(simulation.resident) / self._weight,
            energy=simulation.budget.energy(state),
            raw_mass_drift=fixer.raw_drift,
            fixer_work=-fixer.raw_drift if fixer.enabled else 0.0,
            smallest={name: low for name, (low, _) in extremes.items()},
            largest={name: high for name, (_, high) in extremes.items()},
            courant=self._courant(extremes),
        )

    def _check_outflow(self) -> None:
        """Refuse a step in which so much leaves a cell that the tracer may become negative."""
        simulation = self._simulation
        if simulation.tracer is None:
            return
        most = simulation.tracer.outflow(simulation.model.setup.timestep, simulation.state)
        if simulation.comm is not None:
            most = max(simulation.comm.allgather(most))
        if most > MOST_OUTFLOW:
            raise ClustermarkError(
                f"step {simulation.step}: {most:.3g} of a cell's mass leaves it in one step, and a tracer stays "
                f"positive up to {MOST_OUTFLOW:.3g}; shorten run.timestep or set tracer = '{NO_TRACER}'"
            )

    def _extremes(self, array: Array) -> tuple[float, float]:
        cells = evolved(array, self._simulation.domain.blocks[0].columns)
        return float(cells.min()), float(cells.max())

    def _courant(self, extremes: dict[str, tuple[float, float]]) -> float:
        """(wind + fastest wave)·Δt over the narrowest cell."""
        simulation = self._simulation
        wind = max(abs(value) for name in ("u", "v") for value in extremes[name])
        narrowest = (
            np.cos(np.abs(simulation.grid.center_latitudes[HALO:-HALO]).max()) / simulation.metric.inverse_spacing
        )
        wave = fastest_wave(simulation.model.case, extremes.get("h", (0.0, 0.0))[1])
        return float((wind + wave) * simulation.model.setup.timestep / narrowest)


def named_fields(case: Any, state: State) -> list[tuple[str, Array]]:
    """The prognostic fields under the names that people know."""
    mass = "ps" if isinstance(case, PrimitiveCase) else "h"
    named = [(mass, state.mass), ("u", state.u), ("v", state.v)]
    return named + [(name, a) for name, a in (("theta", state.theta), ("tracer", state.tracer)) if a is not None]


def refuse_no_mass(simulation: Observed, state: State) -> None:
    """End a run whose mass is no number, on every rank with the same sentence. Collective.

    Raises
    ------
    ClustermarkError : names the step, and field and place of a value that is not finite, or the mass that has grown
    """
    found = _first_no_number(simulation, state)
    if simulation.comm is not None:
        found = next((sentence for sentence in simulation.comm.allgather(found) if sentence), "")
    mass = named_fields(simulation.model.case, state)[0][0]
    grown = f"step {simulation.step}: {mass} has somewhere grown to over {ROOM:g} times its largest value at the start"
    raise ClustermarkError(f"{found or grown}; {ADVICE}")


def _first_no_number(simulation: Observed, state: State) -> str:
    domain = simulation.domain
    for name, array in named_fields(simulation.model.case, state):
        cells = evolved(array, domain.blocks[0].columns)
        bad = np.argwhere(~np.isfinite(cells))
        if len(bad):
            slot, *level, row, column = (int(n) for n in bad[0])
            block = domain.blocks[slot]
            longitude, latitude = _degrees(simulation, block, row, column)
            aloft = f", level {level[0] + 1}" if level and simulation.levels > 1 else ""
            return (
                f"step {simulation.step}: {name} is {cells[tuple(bad[0])]} at {latitude:.1f}° N {longitude:.1f}° E"
                f"{aloft}"
            )
    return ""


def _as_float64(field: Array | None) -> Floats:
    assert field is not None
    return field.astype(np.float64)


def _degrees(simulation: Observed, block: Block, row: int, column: int) -> tuple[float, float]:
    """True longitude and latitude of an evolved cell of a block [°]."""
    place = block.first_row + row + HALO, block.first_column + column + HALO
    longitude, latitude = (float(np.degrees(a[place])) for a in true_points(simulation.grid, block.panel, "center"))
    return longitude, latitude
