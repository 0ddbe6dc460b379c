"""The order of a step: three stages of Runge-Kutta, damping, forcing, the mass fixer, and the halos between them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numba
import numpy as np

from clustermark.apps.climate.backend import make_backend, to_device, to_host
from clustermark.apps.climate.budget import Budget, MassFixer
from clustermark.apps.climate.decomposition import choose
from clustermark.apps.climate.diagnostics import Diagnostics, refuse_no_mass
from clustermark.apps.climate.engine import Look, Output
from clustermark.apps.climate.gathering import gather, scatter
from clustermark.apps.climate.grid import PanelGrid
from clustermark.apps.climate.halo import Exchange
from clustermark.apps.climate.initial import make_state
from clustermark.apps.climate.layout import BUFFER, Array, Floats, Region, State
from clustermark.apps.climate.metric import make_metric
from clustermark.apps.climate.model import make_model
from clustermark.apps.climate.parts import make_core, make_matching, make_tracer
from clustermark.apps.climate.setup import Setup
from clustermark.apps.climate.states import like, make_exchanges, parts_of
from clustermark.apps.climate.tracer import Tracer
from clustermark.apps.console.sections import SectionClock

SECTIONS = ("stage", "halo", "damping", "forcing", "tracer", "matching", "fixer")
# Wicker & Skamarock 2002: the fractions of Δt that the three stages step from the start of the step.
STAGES = (1.0 / 3.0, 1.0 / 2.0, 1.0)
FIELDS = ("mass", "u", "v", "theta", "tracer")
# What `save` keeps beside the fields.
NUMBERS = ("step", "time", "mass_reference", "mass_before", "raw_mass_drift", "flux_matching")

# Work on a block's region.
Work = Callable[[int, Region], None]


class Simulation:
    """A model on this rank's blocks; every method is collective."""

    def __init__(self, setup: Setup, comm: Any) -> None:
        """Make grid, blocks and initial state.

        Parameters
        ----------
        setup : the same on all ranks
        comm : mpi4py communicator, or None for one rank without MPI

        Raises
        ------
        UsageError : panels that cannot be cut for these ranks, or more threads than numba has
        """
        self.setup, self.comm, self.model = setup, comm, make_model(setup)
        self.rank, self.ranks = (comm.rank, comm.size) if comm is not None else (0, 1)
        numba.set_num_threads(self.model.threads)
        self.clock = SectionClock(SECTIONS)
        self.grid = PanelGrid(setup.cells)
        self.domain = choose(self.grid, self.ranks, setup.py, setup.px, self.rank)
        self.metric = make_metric(self.domain, self.model.case.planet.radius)
        backend = make_backend(setup.device, setup.direct_messages)
        self.memory = backend.memory
        self.core = make_core(self.model, self.domain, self.metric, backend)
        self.levels = self.core.levels
        # The state of now and two spare ones; an exchange is bound to the arrays of one state.
        made = make_state(self.model, self.domain)
        first = to_device(self.memory, made)
        self._states = [first, like(self.memory, first), like(self.memory, first)]
        about = self.domain, comm, self._states, self.model.threads, backend
        self._exchanges, self._blendings = make_exchanges(*about), make_exchanges(*about, BUFFER)
        self._pending: Exchange | None = None
        self.tracer = make_tracer(self.model, self.domain, comm, self.metric, first, backend)
        self._whole, inner, self._rim = parts_of(self.domain)
        # On one rank kernels fill the halo, and those of a GPU take turns: parts would only be more launches.
        self._inner = inner if setup.overlap and not (comm is None and setup.device == "cuda") else None
        self._blocks = range(len(self.domain.blocks))
        self.step, self.time = 0, 0.0
        self._share_all()
        self._matching, areas = make_matching(self.model, self.domain, comm, self.metric, first, backend)
        self.budget = Budget(self.domain, self.model.case.planet.radius, comm, self.core, made, areas, backend)
        self.fixer = MassFixer(self.budget, first, setup.fixer)
        self.diagnostics = Diagnostics(self)

    @property
    def resident(self) -> State:
        """The prognostic fields where kernels work on them; halos are valid between calls."""
        return self._states[0]

    @property
    def state(self) -> State:
        """The prognostic fields on the host: `resident` itself on the CPU, else a copy, to be read only."""
        return to_host(self.memory, self.resident)

    @property
    def spare(self) -> State:
        """Arrays that the next step overwrites."""
        return self._states[1]

    @property
    def cells(self) -> int:
        """Evolved cells of all levels of both panels."""
        return 2 * self.grid.rows * self.grid.columns * self.levels

    @property
    def sigma(self) -> Floats:
        """(levels,) σ halfway between the interfaces; (1,) of one for water."""
        interfaces = self.model.interfaces
        return 0.5 * (interfaces[1:] + interfaces[:-1]) if len(interfaces) else np.ones(1)

    @property
    def outputs(self) -> dict[str, Output]:
        """Fields that `gather` knows."""
        return self.diagnostics.outputs

    # --- stepping -------------------------------------------------------------------------------------------

    def advance(self, steps: int) -> None:
        """Make steps.

        Raises
        ------
        ClustermarkError : the mass is no number or far beyond the start's; the sentence names step, field and place
        """
        self.march(steps)
        self._settle()

    def compile(self) -> None:
        """Call every kernel once, for nothing; the state stays. Collective."""
        start, first, second = self._states
        for exchange in (self._exchanges[id(first)], self._blendings[id(first)]):
            exchange.start()
            exchange.finish()
        for block in self._blocks:
            self.core.stage(block, self._whole, start, start, 0.0, first)
            if self.model.damping_hours > 0:
                self.core.damp(block, self._whole, first, second)
            self.core.force(block, self._whole, 0.0, first)
        if self._matching is not None:
            self._matching.start(start)
            self._matching.finish(0.0, first)
        if self.tracer is not None:
            self.tracer.evaluate(0.0, start, start, start)

    def march(self, steps: int) -> None:
        """Make steps that nobody looks at: the halo of the last one may still be on its way."""
        for _ in range(steps):
            self._one_step()

    def _one_step(self) -> None:
        start, first, second = self._states
        self.step += 1
        self.time += self.setup.timestep
        now = start
        for fraction, new in zip(STAGES, (first, second, first), strict=True):
            last = fraction == STAGES[-1]
            self._stage(now, start, fraction * self.setup.timestep, new, last)
            if last and self.tracer is not None:
                self._carry(self.tracer, start, now, new)
            now = new
            if not last:
                self._share_halo(now)
        if self._matching is not None:
            with self.clock.section("matching"):
                self._matching.finish(self.setup.timestep, now)
        if self.step % self.setup.damping_every == 0:
            now = self._smooth(now, second)
        self._states = [now, *(state for state in self._states if state is not now)]
        with self.clock.section("forcing"):
            for block in self._blocks:
                self.core.force(block, self._whole, self.setup.timestep, now)
        with self.clock.section("fixer"):
            finite = self.fixer.apply(now)
        if not finite:
            refuse_no_mass(self, to_host(self.memory, now))
        self._share_halo(now)

    def _carry(self, tracer: Tracer, start: State, read: State, new: State) -> None:
        """A step of the tracer, whose halo nothing else may be on its way beside."""
        with self.clock.section("tracer"):
            tracer.advance(self.setup.timestep, start, read, new)
        with self.clock.section("halo"):
            tracer.share()

    def _smooth(self, now: State, spare: State) -> State:
        """Draw the two solutions along the seam together and damp; returns the state that has the result."""
        with self.clock.section("halo"):
            blending = self._blendings[id(now)]
            blending.start()
            blending.finish()
        if self.model.damping_hours <= 0:
            return now
        self._damp(now, spare)
        return spare

    def _stage(self, now: State, start: State, timestep: float, new: State, last: bool) -> None:
        def work(block: int, region: Region) -> None:
            with self.clock.section("stage"):
                self.core.stage(block, region, now, start, timestep, new)

        def with_halo() -> None:
            if last and self._matching is not None:
                with self.clock.section("matching"):
                    self._matching.start(now)

        self._beside_halo(work, with_halo)

    def _damp(self, now: State, new: State) -> None:
        def work(block: int, region: Region) -> None:
            with self.clock.section("damping"):
                self.core.damp(block, region, now, new)

        self._beside_halo(work)

    def _beside_halo(self, work: Work, with_halo: Callable[[], None] = lambda: None) -> None:
        """Work on all evolved cells: on the inner ones while the halo is on its way, on the rim after `with_halo`."""
        if self._inner is not None:
            for block in self._blocks:
                work(block, self._inner)
        self._settle()
        regions = (self._whole,) if self._inner is None else self._rim
        with_halo()
        for block in self._blocks:
            for region in regions:
                work(block, region)

    def _share_halo(self, state: State) -> None:
        with self.clock.section("halo"):
            self._pending = self._exchanges[id(state)]
            self._pending.start()

    def _share_all(self) -> None:
        """Fill the halos of a state that has just been made."""
        self._share_halo(self.resident)
        self._settle()
        if self.tracer is not None:
            self.tracer.share()

    def _settle(self) -> None:
        if self._pending is not None:
            with self.clock.section("halo"):
                self._pending.finish()
            self._pending = None

    # --- looking --------------------------------------------------------------------------------------------

    def look(self) -> Look:
        """Mass, energy, drifts, extremes and Courant number of the present state, the same on all ranks."""
        self._settle()
        return self.diagnostics.look()

    def gather(self, name: str) -> Array | None:
        """(2, [levels,] rows, columns) float64 field of `outputs` at cell centres on rank 0, None elsewhere."""
        self._settle()
        return self.diagnostics.gather(name)

    def sections(self) -> dict[str, float]:
        """[s] that this rank has spent in each section of the step."""
        return dict(self.clock.seconds)

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name → shape of every array of `save`."""
        panel = (self.grid.rows, self.grid.columns)
        named = zip(FIELDS, self.resident.fields, strict=True)
        shapes = {name: (2, *array.shape[1:-2], *panel) for name, array in named if array is not None}
        return shapes | dict.fromkeys(NUMBERS, ())

    def save(self) -> dict[str, Array] | None:
        """All that a bitwise continuation needs, on rank 0; None elsewhere."""
        named = zip(FIELDS, self.state.fields, strict=True)
        parts = {name: gather(self.domain, array, self.comm) for name, array in named if array is not None}
        fixer = self.fixer
        numbers = (self.step, self.time, fixer.reference, fixer.last, fixer.raw_drift, self.setup.flux_matching)
        if self.rank != 0:
            return None
        return parts | {name: np.array(value) for name, value in zip(NUMBERS, numbers, strict=True)}  # pyright: ignore[reportReturnType]  # rank 0 has every part

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Go on from what `save` gave on rank 0; the other ranks give None."""
        for name, array, there in zip(FIELDS, self.state.fields, self.resident.fields, strict=True):
            if array is not None:
                scatter(self.domain, state[name] if state is not None else None, array, self.comm)
                self.memory.send(array, there)
        numbers = [float(state[name]) for name in NUMBERS] if state is not None else []
        if self.comm is not None:
            numbers = self.comm.bcast(numbers, 0)
        step, self.time, self.fixer.reference, self.fixer.last, self.fixer.raw_drift, matched = numbers
        self.step = int(step)
        if bool(matched) != self.setup.flux_matching:
            # The mass was measured on other areas.
            self.fixer.reference = self.fixer.last = self.budget.mass(self.resident)
        self._share_all()


def make_simulation(setup: Setup, comm: Any) -> Simulation:
    """The simulation of a setup, its kernels compiled. Collective."""
    simulation = Simulation(setup, comm)
    simulation.compile()
    return simulation
