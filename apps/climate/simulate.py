"""A run: advance the simulation from one output to the next, write, and account for the time."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from clustermark.apps.climate.engine import Look, Simulation
from clustermark.apps.climate.frames import Regridder, refuse_not_finite
from clustermark.apps.climate.input_file import Input, as_json
from clustermark.apps.climate.netcdf import FieldFile
from clustermark.apps.climate.progress import bar, header, row
from clustermark.apps.climate.restart import write_restart
from clustermark.apps.climate.schedule import DAY, HOUR, due, next_stop, pieces
from clustermark.apps.climate.setup import physics
from clustermark.apps.console.parallel import on_root
from clustermark.apps.console.sections import SectionTime, gathered
from clustermark.apps.console.terminal import say
from clustermark.core.errors import ClustermarkError

# Sections of a step in the order of the time table; others stand behind them.
SECTIONS = ("stage", "halo", "damping", "forcing", "tracer", "matching", "fixer", "output")


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
    looks : at every output, the first and the last step among them
    seconds : [s] that the steps and their output took
    sections : where they went, over ranks
    """

    looks: list[Look] = field(default_factory=list)
    seconds: float = 0.0
    sections: list[SectionTime] = field(default_factory=list)


def simulate(data: Input, days: float, simulation: Simulation, comm: Any, manner: Manner) -> Record:
    """Make the days of the input with all output; called on all ranks.

    Parameters
    ----------
    days : simulated time to make from the simulation's current step on

    Raises
    ------
    ClustermarkError : on all ranks; the files hold everything up to then
    """
    timestep = simulation.setup.timestep
    left = max(1, round(days * DAY / timestep)) if days > 0 else 0
    wanted = [data.output.interval, data.restart.interval]
    intervals = [hours * HOUR for hours in wanted if hours is not None]
    run = _Run(data, simulation, comm, manner)
    begin = time.perf_counter()
    with run.files(), bar(left * timestep / DAY, manner.progress and simulation.rank == 0) as advance_bar:
        run.output(first=True, last=left == 0)
        while left > 0:
            stop = next_stop(simulation.time, timestep, left, intervals)
            for steps in pieces(stop, timestep):
                simulation.advance(steps)
                advance_bar(steps * timestep)
            left -= stop
            run.output(first=False, last=left == 0)
    run.record.seconds = time.perf_counter() - begin
    run.account()
    return run.record


class _Run:
    """The outputs of one run on this rank; files are held by rank 0."""

    def __init__(self, data: Input, simulation: Simulation, comm: Any, manner: Manner) -> None:
        self.data, self.simulation, self.comm, self.manner = data, simulation, comm, manner
        self.record = Record()
        self._file: FieldFile | None = None
        self._regridder: Regridder | None = None
        self._saved: float | None = None
        self._spent = 0.0
        self._before = dict(simulation.sections())  # setting up, and compiling, is no part of the run
        self._continued = simulation.step > 0

    @contextlib.contextmanager
    def files(self) -> Iterator[None]:
        """Whatever happens, what the files were given is on the disk afterwards; an error tells of the last restart."""
        try:
            yield
        except BaseException as error:
            if self.simulation.rank == 0:
                with contextlib.suppress(ClustermarkError):  # the first error is the one to tell
                    self._close()
            if isinstance(error, ClustermarkError) and self._saved is not None:
                raise type(error)(f"{error}; the restart file of day {self._saved / DAY:g} is kept") from error
            raise
        on_root(self.comm, self._close)

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()

    def output(self, first: bool, last: bool) -> None:
        """Everything that is due at the simulation's step; a row at the first and last step too."""
        begin, data, simulation = time.perf_counter(), self.data, self.simulation
        now, timestep = simulation.time, simulation.setup.timestep
        look = simulation.look()
        refuse_not_finite(look, simulation, self.comm)
        outputs = due(now, timestep, data.output.interval * HOUR)
        if first or last or outputs:
            self._row(look)
        # The frame that a continued run begins with stands in the file of the run before.
        if data.output.file and (last or outputs or first) and not (first and self._continued):
            self._frame(look)
        restart = data.restart.interval * HOUR if data.restart.interval is not None else None
        if data.restart.write and not first and (last or due(now, timestep, restart)):
            self._restart()
        self._spent += time.perf_counter() - begin

    def _row(self, look: Look) -> None:
        self.record.looks.append(look)

        def write() -> None:
            if self.manner.rows:
                if len(self.record.looks) == 1:
                    self._print(header(look, self.simulation.outputs))
                self._print(row(look))

        on_root(self.comm, write)

    def _frame(self, look: Look) -> None:
        gathered_fields = {name: self.simulation.gather(name) for name in self.simulation.outputs}

        def write() -> None:
            file, regridder = self._open()
            file.write(look, regridder.all_of(gathered_fields))

        on_root(self.comm, write)

    def _open(self) -> tuple[FieldFile, Regridder]:
        """The file, made with its first frame; on rank 0."""
        if self._file is None or self._regridder is None:
            self._regridder = Regridder(self.simulation, self.data.output.lat_lon)
            about = {"title": f"{self.data.case} at {self.data.grid.resolution:g} degrees", "input": as_json(self.data)}
            path = self.manner.folder / self.data.output.file
            self._file = FieldFile(path, self._regridder.places, self.simulation.outputs, about)
        return self._file, self._regridder

    def _restart(self) -> None:
        simulation, path = self.simulation, self.manner.folder / self.data.restart.write
        state = simulation.save()

        def write() -> None:
            assert state is not None
            # First what stands before it: a run that goes on after a kill leaves no gap in the frames.
            if self._file is not None:
                self._file.flush()
            write_restart(path, simulation.step, simulation.time, physics(simulation.setup), state)

        on_root(self.comm, write)
        self._saved = simulation.time

    def account(self) -> None:
        """Gather the seconds that the run spent in each section on rank 0."""
        own = {name: seconds - self._before.get(name, 0.0) for name, seconds in self.simulation.sections().items()}
        own["output"] = own.get("output", 0.0) + self._spent
        self.record.sections = gathered(self.comm, own, SECTIONS)

    def _print(self, text: str) -> None:
        say(text, bar=self.manner.progress)
