"""A run: advance the engine from one output to the next, write, and account for the time."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clustermark.apps.console.files import write_file
from clustermark.apps.console.parallel import on_root
from clustermark.apps.console.sections import SectionTime, gathered
from clustermark.apps.console.terminal import say
from clustermark.apps.md.engine import Engine, State
from clustermark.apps.md.input_file import Input, as_json
from clustermark.apps.md.model import Atoms, Floats, Thermo
from clustermark.apps.md.restart import write_restart
from clustermark.apps.md.setup import Setup, physics
from clustermark.apps.md.structures import extxyz_lines
from clustermark.apps.md.thermo_output import ThermoFile, columns, header
from clustermark.apps.md.trajectory import Content, TrajectoryWriter
from clustermark.core.errors import ClustermarkError

SECTIONS = ("force", "list", "halo", "migrate", "integrate", "output")


@dataclass(frozen=True)
class Manner:
    """How a run shows itself: rows on the terminal, a progress bar, the folder of its files."""

    folder: Path
    rows: bool = True
    progress: bool = False


@dataclass
class Record:
    """What a run has told, on rank 0.

    Attributes
    ----------
    rows : of the thermodynamic output
    atoms : how many there are
    seconds : [s] that the steps and their output took
    sections : where they went, over ranks
    final, forces : last configuration and its forces (n, 3), where they were asked for
    """

    atoms: int
    rows: list[Thermo] = field(default_factory=list)
    seconds: float = 0.0
    sections: list[SectionTime] = field(default_factory=list)
    final: Atoms | None = None
    forces: Floats | None = None


def next_stop(step: int, last: int, intervals: Sequence[int]) -> int:
    """The next step at which something is due: a multiple of an interval, or the last step."""
    return min([last, *((step // interval + 1) * interval for interval in intervals)])


def refuse_not_finite(row: Thermo) -> None:
    """Raise ClustermarkError for a row that is no number: nothing of that step is written then."""
    if not all(math.isfinite(value) for value in (row.total_energy, row.pressure, row.temperature)):
        raise ClustermarkError(
            f"step {row.step}: the energy is not finite: atoms overlap or the run exploded; "
            f"shorten run.timestep, or start from a configuration without overlaps"
        )


def due(step: int, interval: int | None) -> bool:
    """Whether a step is a multiple of the interval; never without one."""
    return interval is not None and step % interval == 0


def simulate(data: Input, setup: Setup, engine: Engine, comm: Any, manner: Manner) -> Record:
    """Make the steps of the input with all output; called on all ranks.

    Returns
    -------
    Record : complete on rank 0, elsewhere without sections and configuration

    Raises
    ------
    ClustermarkError : on all ranks; the files hold everything up to then
    """
    first, last = engine.step, engine.step + data.run.steps
    wanted = [data.output.interval, data.output.trajectory_interval, data.restart.interval]
    intervals = [interval for interval in wanted if interval is not None]
    run = _Run(data, setup, engine, comm, manner)
    begin = time.perf_counter()
    with run.files(), _bar(first, last, manner, engine.rank) as advance_bar:
        run.output(first=True, last=first == last)
        while engine.step < last:
            stop = next_stop(engine.step, last, intervals)
            made = stop - engine.step
            engine.advance(made)
            run.output(first=False, last=stop == last)
            advance_bar(made)
    run.record.seconds = time.perf_counter() - begin
    run.account()
    return run.record


class _Run:
    """The outputs of one run on this rank; files are held by rank 0."""

    def __init__(self, data: Input, setup: Setup, engine: Engine, comm: Any, manner: Manner) -> None:
        self.data, self.setup, self.engine, self.comm, self.manner = data, setup, engine, comm, manner
        self._thermo: ThermoFile | None = None
        self._trajectory: TrajectoryWriter | None = None
        self._spent = 0.0
        self._before = dict(engine.sections())  # setting up, and compiling, is no part of the run
        count = len(setup.atoms.ids) if setup.atoms is not None else 0
        if setup.state is not None:
            count = len(setup.state.atoms.ids)
            count = count if comm is None else comm.allreduce(count)
        self.record = Record(atoms=count)

    @contextlib.contextmanager
    def files(self) -> Iterator[None]:
        """Open the files on rank 0; whatever happens, what they were given is on the disk afterwards."""
        try:
            on_root(self.comm, self._open)
            yield
        except BaseException:
            if self.engine.rank == 0:
                with contextlib.suppress(ClustermarkError):  # the first error is the one to tell
                    self._close()
            raise
        on_root(self.comm, self._close)

    def _open(self) -> None:
        output, folder = self.data.output, self.manner.folder
        if output.thermo:
            path = folder / output.thermo
            self._thermo = ThermoFile(path, self.setup.units, self.record.atoms, as_json(self.data))
        if self.manner.rows:
            self._print(header(self.setup.units, output.per_atom))

    def _close(self) -> None:
        try:
            if self._thermo is not None:
                self._thermo.flush()
        finally:
            if self._trajectory is not None:
                self._trajectory.close()

    def output(self, first: bool, last: bool) -> None:
        """Everything that is due at the engine's step; thermodynamic output at the first and last step too."""
        begin, step, data = time.perf_counter(), self.engine.step, self.data
        refuse_not_finite(self.engine.thermo())
        # Before the row: an engine may build its list anew for a restart, and the next run begins with that row.
        restarts = bool(data.restart.write) and not first and (last or due(step, data.restart.interval))
        states = collected(self.engine.state(), self.comm) if restarts else []
        if first or last or due(step, data.output.interval):
            self._row()
        # The last frame of the run before stands in its own file.
        if due(step, data.output.trajectory_interval) and not (first and self.setup.state is not None):
            self._frame()
        if last and (data.output.final or data.run.steps == 0):
            self._configuration()
        if restarts:
            self._restart(states)
        self._spent += time.perf_counter() - begin

    def _row(self) -> None:
        row = self.engine.thermo()
        self.record.rows.append(row)

        def write() -> None:
            if self.manner.rows:
                self._print(columns(row, self.record.atoms, self.data.output.per_atom))
            if self._thermo is not None:
                self._thermo.add(row)

        on_root(self.comm, write)

    def _frame(self) -> None:
        atoms, setup = self.engine.gather(), self.setup

        def write() -> None:
            assert atoms is not None
            if self._trajectory is None:
                content = Content(
                    ids=atoms.ids,
                    types=atoms.types,
                    masses=setup.masses[atoms.types],
                    elements=setup.elements,
                    units=setup.units,
                    velocities=self.data.output.velocities,
                    dtype="f8" if setup.precision == "double" else "f4",
                )
                self._trajectory = TrajectoryWriter(self.manner.folder / self.data.output.trajectory, content)
            self._trajectory.write(self.engine.step, self.engine.step * setup.timestep, atoms)

        on_root(self.comm, write)

    def _restart(self, states: list[State]) -> None:
        path = self.manner.folder / self.data.restart.write

        def write() -> None:
            # First what stands before it: a run that goes on after a kill leaves no gap in rows and frames.
            if self._thermo is not None:
                self._thermo.flush()
            if self._trajectory is not None:
                self._trajectory.flush()
            write_restart(path, states, physics(self.setup))

        on_root(self.comm, write)

    def _configuration(self) -> None:
        atoms, forces = self.engine.gather(), self.engine.gather_forces()
        self.record.final, self.record.forces = atoms, forces
        name = self.data.output.final

        def write() -> None:
            assert atoms is not None
            entries = {"Step": str(self.engine.step)}
            text = "".join(extxyz_lines(atoms, self.setup.elements, entries, forces))
            write_file(self.manner.folder / name, text.encode())

        if name:
            on_root(self.comm, write)

    def account(self) -> None:
        """Gather the seconds that the run spent in each section on rank 0."""
        own = {name: seconds - self._before.get(name, 0.0) for name, seconds in self.engine.sections().items()}
        own["output"] = own.get("output", 0.0) + self._spent
        self.record.sections = gathered(self.comm, own, SECTIONS)

    def _print(self, text: str) -> None:
        say(text, bar=self.manner.progress)


def collected(state: State, comm: Any) -> list[State]:
    """The states of all ranks on rank 0, one message at a time; an empty list elsewhere."""
    if comm is None:
        return [state]
    if comm.rank != 0:
        comm.send(state, 0)
        return []
    return [state, *(comm.recv(source=rank) for rank in range(1, comm.size))]


@contextlib.contextmanager
def _bar(first: int, last: int, manner: Manner, rank: int) -> Iterator[Any]:
    """A function that is told of steps made; shows a progress bar where that is wanted."""
    if not manner.progress or rank != 0 or first == last:
        yield lambda made: None
        return
    from tqdm import tqdm

    with tqdm(total=last - first, unit="step", unit_scale=True, leave=False) as bar:
        yield bar.update
