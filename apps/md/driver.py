"""The order of a step, and everything that happens between two pair lists."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clustermark.apps.console.sections import SectionClock
from clustermark.apps.md.backend import make_backend
from clustermark.apps.md.bricks import Bricks, choose_grid
from clustermark.apps.md.engine import State
from clustermark.apps.md.evaluation import Evaluation, Sums
from clustermark.apps.md.gathering import Ranks, distribute, gather_rows
from clustermark.apps.md.halo import Halo
from clustermark.apps.md.layout import PRECISIONS, Layout
from clustermark.apps.md.model import Atoms, Floats, Thermo
from clustermark.apps.md.setup import Setup
from clustermark.apps.md.slots import Slots
from clustermark.apps.md.staging import Stage, Staging, find_ghosts, migrate
from clustermark.apps.md.tables import tail_corrections
from clustermark.apps.md.thermostats import make_thermostat
from clustermark.core.errors import ClustermarkError

# A run has exploded where its temperature is this many times that of the start, of the thermostat, and of what the
# binding energy of the start could heat to.
EXPLOSION = 1e4


class Simulation:
    """An engine (apps.md.engine.Engine): velocity Verlet over bricks and clusters."""

    def __init__(self, setup: Setup, comm: Any, lanes: int = 0) -> None:
        """Distribute the atoms, build the first list and evaluate the forces; collective.

        Parameters
        ----------
        setup : the same on all ranks, its atoms on rank 0 (or this rank's state of a restart)
        comm : mpi4py communicator, or None for one rank without MPI
        lanes : atoms per cluster; 0 chooses for the device

        Raises
        ------
        UsageError : a box too small for the cutoff or these ranks, atoms on one another, no position
        """
        self.comm = comm
        self.world = Ranks(comm)
        self.rank, self.ranks = self.world.rank, self.world.size
        self.setup = setup
        self.units = setup.units
        self.reach = setup.cutoff + setup.rule.skin
        self.clock = SectionClock()
        self.backend = make_backend(setup.device, setup.direct_messages)
        self.memory, self._masses = self.backend.memory, self.backend.memory.kept(setup.masses)
        self.staging = Staging(self.memory.host)
        box = self.world.share(setup.box)
        self.bricks = Bricks(box, choose_grid(self.ranks, box, self.reach), self.rank)
        distribute(setup, self.staging, self.bricks, comm)
        self.step = self.world.share(setup.state.step if setup.state is not None else setup.first_step)
        self.number = int(self.world.total(self.staging.atoms))
        local_counts = np.bincount(self.staging.types[: self.staging.atoms], minlength=len(setup.masses))
        counts = [self.world.total(float(count)) for count in local_counts]
        self.tail = tail_corrections(setup.potential, counts, float(np.prod(box)))
        kicks = setup.timestep / (2 * setup.masses * self.units.mass_velocity2)
        _, kernel_type = PRECISIONS[setup.precision]
        self.layout = Layout(setup.precision, lanes or self.backend.choose_lanes(kernel_type), kicks, self.backend)
        self.evaluation = Evaluation(setup.potential, setup.overlap, self.clock, self.backend)
        ensemble = setup.ensemble
        self.thermostat = make_thermostat(
            ensemble.kind,
            ensemble.temperature,
            ensemble.time,
            ensemble.seed,
            setup.timestep,
            self.degrees_of_freedom,
            self.units,
            setup.masses,
        )
        if self.thermostat is not None and setup.state is not None:
            self.thermostat.restore(setup.state.thermostat)
        self._half_step_open = False
        self.rebuilds = 0
        self._build()
        self._sums = self._forces(fresh_ghosts=True, want_sums=True)
        self._thermo = self._measure()
        bound = abs(self._thermo.potential_energy) / (max(self.number, 1) * self.units.boltzmann)
        self._limit = EXPLOSION * max(self._thermo.temperature, ensemble.temperature, bound, 1e-300)
        self._check_start()

    @property
    def degrees_of_freedom(self) -> int:
        """3(N − 1): the total momentum is conserved."""
        return max(3 * (self.number - 1), 0)

    # --- stepping -------------------------------------------------------------------------------------------

    def advance(self, steps: int) -> None:
        """Make steps; afterwards velocities, forces and `thermo` belong to the last of them. Collective."""
        if steps < 1:
            return
        self.march(steps - 1)
        self._one_step(want_sums=True, close=True)
        self._thermo = self._measure()
        self._check_temperature()

    def march(self, steps: int) -> None:
        """Make steps that nobody looks at: the closing half kick of the last one may still be open. Collective."""
        close = self.thermostat is not None and self.thermostat.needs_full_step
        for _ in range(steps):
            self._one_step(want_sums=False, close=close)
        self.halo.settle()

    def look(self) -> Thermo:
        """Close the step, build a new list and evaluate; then as `thermo`. Collective."""
        if self._half_step_open:
            self._close_step()
        self.rebuild()
        self._sums = self._forces(fresh_ghosts=True, want_sums=True)
        self._thermo = self._measure()
        return self._thermo

    def _one_step(self, want_sums: bool, close: bool) -> None:
        self.step += 1
        self._kick_drift()
        fresh = self._rebuild_if_due()
        self._sums = self._forces(fresh, want_sums)
        self._half_step_open = True
        if close:
            self._close_step()

    def _kick_drift(self) -> None:
        layout = self.layout
        with self.clock.section("integrate"):
            self.backend.integrate.kick_drift(
                layout.forces,
                layout.half_kicks,
                2.0 if self._half_step_open else 1.0,
                layout.master_type.type(self.setup.timestep),
                layout.local,
                layout.width,
                layout.velocities,
                layout.masters,
                layout.positions,
            )

    def _close_step(self) -> None:
        layout = self.layout
        with self.clock.section("integrate"):
            arguments = layout.forces, layout.half_kicks, layout.local, layout.width, layout.velocities
            self.backend.integrate.kick(*arguments)
            self._half_step_open = False
            if self.thermostat is not None:
                self.thermostat.end_of_step(self._slots(), self.step)

    def _slots(self) -> Slots:
        layout = self.layout
        arrays = layout.velocities, layout.ids, layout.types
        return Slots(*arrays, layout.lanes, layout.local, self.world.total, self.backend.velocities, self.memory)

    def _rebuild_if_due(self) -> bool:
        rule = self.setup.rule
        if self.step % rule.every:
            return False
        if rule.check:
            layout = self.layout
            with self.clock.section("list"):
                moved = self.backend.integrate.largest_displacement_square(
                    layout.positions, self._reference, layout.local, layout.lanes
                )
                if self.world.maximum(moved) <= (rule.skin / 2) ** 2:
                    return False
        self.rebuild()
        return True

    def rebuild(self) -> None:
        """Wrap, migrate, sort, find ghosts, list; collective."""
        self.halo.settle()
        if self.bricks.decomposed:
            with self.clock.section("list"):
                self.layout.empty_into(self.staging, self.bricks)
            self._build()
            return
        self.rebuilds += 1
        with self.clock.section("list"):
            self.world.together(lambda: self.layout.refill(self.number, self.bricks, self.reach))
            self._list([])

    def _build(self) -> None:
        staging, bricks = self.staging, self.bricks
        self.rebuilds += 1
        with self.clock.section("list"):
            self.world.together(lambda: staging.wrap(bricks.box))
        with self.clock.section("migrate"):
            if bricks.decomposed:
                migrate(staging, bricks, self.comm)
            stages = find_ghosts(staging, bricks, self.reach, self.comm)
        with self.clock.section("list"):
            self.layout.fill(staging, bricks, self.reach)
            self._list(stages)

    def _list(self, stages: list[Stage]) -> None:
        layout = self.layout
        layout.list_pairs(self.bricks, self.reach)
        self.halo = Halo(stages, layout.slots, layout.lanes, layout.kernel_type, self.comm, self.backend)
        self.evaluation.prepare(layout)
        if self.setup.rule.check:
            self._reference = self.memory.copy(layout.positions[: 3 * layout.local * layout.lanes])

    # --- what is known of a step ----------------------------------------------------------------------------

    def _forces(self, fresh_ghosts: bool, want_sums: bool) -> Sums | None:
        return self.evaluation.forces(self.layout, self.halo, fresh_ghosts, want_sums)

    def _measure(self) -> Thermo:
        self.halo.settle()
        layout, units = self.layout, self.units
        assert self._sums is not None
        kinetic = self.world.total(
            self.backend.velocities.kinetic_energy(
                layout.velocities, layout.types, self._masses, layout.lanes, layout.local, units.mass_velocity2
            )
        )
        potential = self.world.total(self._sums.energy) + self.tail[0]
        virial = self.world.total(self._sums.virial) + self.tail[1]
        self.pairs = int(self.world.total(self._sums.pairs))
        volume = float(np.prod(self.bricks.box))
        freedom = self.degrees_of_freedom
        temperature = 2 * kinetic / (freedom * units.boltzmann) if freedom else 0.0
        ideal = freedom / 3 * units.boltzmann * temperature / volume
        pressure = (ideal + virial / (3 * volume)) * units.pressure
        return Thermo(self.step, temperature, potential, kinetic, potential + kinetic, virial, pressure)

    def thermo(self) -> Thermo:
        """Thermodynamic quantities of the current step, the same on all ranks."""
        return self._thermo

    def _check_temperature(self) -> None:
        row = self._thermo
        if not (math.isfinite(row.total_energy) and row.temperature < self._limit):
            raise ClustermarkError(
                f"step {row.step}: the temperature is {row.temperature:.4g}, the potential energy "
                f"{row.potential_energy:.4g}: the run has exploded; use a smaller time step or a relaxed start"
            )

    def _check_start(self) -> None:
        row = self._thermo
        per_atom = abs(row.potential_energy) / max(self.number, 1)
        thermal = self.units.boltzmann * max(row.temperature, self.setup.ensemble.temperature)
        if math.isfinite(row.potential_energy) and per_atom < EXPLOSION * max(thermal, 1.0):
            return
        from clustermark.apps.md.overlaps import overlap_error

        atoms, forces = self.gather(), self.gather_forces()
        error = None
        if atoms is not None and forces is not None:
            error = overlap_error(atoms, forces, row.potential_energy)
        raise self.world.share(error)

    # --- atoms in and out -----------------------------------------------------------------------------------

    def gather(self) -> Atoms | None:
        """All atoms sorted by id on rank 0, wrapped into the box; None elsewhere. Collective."""
        local = Staging()
        self.layout.empty_into(local, self.bricks)
        local.wrap(self.bricks.box)
        count = local.atoms
        rows = gather_rows(
            self.comm,
            local.ids[:count],
            (local.positions[:count], local.velocities[:count], local.types[:count]),
        )
        if rows is None:
            return None
        ids, (positions, velocities, types) = rows
        return Atoms(positions, velocities, ids, types.astype(np.int32), self.bricks.box.copy())

    def gather_forces(self) -> Floats | None:
        """(n, 3) forces in the order of `gather` on rank 0, None elsewhere. Collective."""
        ids, forces = self.layout.local_forces()
        rows = gather_rows(self.comm, ids, (forces,))
        return None if rows is None else rows[1][0]

    def state(self) -> State:
        """This rank's state for a restart; the list is rebuilt here, so that both runs go on alike. Collective."""
        self.look()
        positions, velocities, ids, types = (self.staging if self.bricks.decomposed else self.layout).copies()
        atoms = Atoms(positions, velocities, ids, types, self.bricks.box.copy())
        thermostat = self.thermostat.state() if self.thermostat is not None else {}
        return State(self.step, atoms, dict(thermostat))

    def sections(self) -> dict[str, float]:
        """[s] spent by this rank so far, by section."""
        return dict(self.clock.seconds)


def make_engine(setup: Setup, comm: Any) -> Simulation:
    """The engine of the program; see Simulation."""
    return Simulation(setup, comm)
