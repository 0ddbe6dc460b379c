"""A simulation that solves nothing: analytic fields that move with the step, with the faults that a run may meet.

`damping.every` chooses a fault at step 5: 13 an error on all ranks, 14 a bug on the last rank, 15 an error on that rank
alone, 16 a temperature (or depth) that is not a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from clustermark.apps.climate.engine import Look, Output
from clustermark.apps.climate.frames import evolved_places
from clustermark.apps.climate.grid import PanelGrid
from clustermark.apps.climate.layout import Floats
from clustermark.apps.climate.schedule import DAY
from clustermark.apps.climate.setup import Setup
from clustermark.core.errors import ClustermarkError

ATMOSPHERE = {
    "ps": Output("surface pressure", "surface_air_pressure", "Pa", 2),
    "u_east": Output("eastward wind", "eastward_wind", "m s-1", 3),
    "temperature": Output("temperature", "air_temperature", "K", 3),
}
WATER = {
    "h": Output("height of the surface", "", "m", 2),
    "vorticity": Output("relative vorticity", "atmosphere_relative_vorticity", "s-1", 2),
}


def make_simulation(setup: Setup, comm: Any) -> AnalyticSimulation:
    """As the driver's."""
    return AnalyticSimulation(setup, comm)


class AnalyticSimulation:
    """The protocol `engine.Simulation`; its state is one number per panel that each step changes."""

    def __init__(self, setup: Setup, comm: Any) -> None:
        self.setup = setup
        self.rank, self.ranks = (0, 1) if comm is None else (comm.rank, comm.size)
        self.step, self.time = 0, 0.0
        self.sigma: Floats = (np.arange(setup.levels) + 0.5) / setup.levels
        self.outputs: Mapping[str, Output] = WATER if setup.shallow else ATMOSPHERE
        self.phase = np.array([0.1, 0.2])
        self._comm = comm
        latitude, longitude = evolved_places(PanelGrid(setup.cells))
        self._places = np.radians(latitude), np.radians(longitude)

    def advance(self, steps: int) -> None:
        for _ in range(steps):
            self.step += 1
            self.time += self.setup.timestep
            self.phase = np.sin(self.phase + self.setup.timestep / DAY)
            self._faults()

    def _faults(self) -> None:
        fault, last = self.setup.damping_every, self.rank == self.ranks - 1
        if self.step != 5:
            return
        if fault == 13:
            raise ClustermarkError("step 5: the depth is negative; shorten run.timestep")
        if fault == 14 and last:
            raise ZeroDivisionError("a bug")
        if fault == 15 and last:
            raise ClustermarkError("step 5: this rank alone is in trouble")
        if fault == 16:
            self.phase = np.array([0.1, np.nan])

    def look(self) -> Look:
        drift = 1e-9 * self.step
        value = float(self.phase.sum())
        return Look(
            step=self.step,
            time=self.time,
            mass=5.2e18 if self.setup.fixer else 5.2e18 * (1 + drift),
            energy=1e21 * (1 - 1e-6 * self.step),
            raw_mass_drift=drift,
            fixer_work=-drift if self.setup.fixer else 0.0,
            smallest=dict.fromkeys(self.outputs, value - 1),
            largest=dict.fromkeys(self.outputs, value + 1),
            courant=0.5,
        )

    def gather(self, name: str) -> Floats | None:
        if self.rank != 0:
            return None
        latitude, longitude = self._places
        wave = np.cos(latitude) ** 4 * np.cos(6 * longitude + self.time / DAY) * self.phase[:, None, None]
        if name in ("ps", "h"):
            return 1e5 + 1e3 * wave
        if name == "vorticity":
            return 1e-5 * (np.sin(latitude) + wave)
        sigma = self.sigma[None, :, None, None]
        if name == "u_east":
            jet = 30 * np.sin(2 * latitude[:, None]) ** 2 * np.exp(-((sigma - 0.25) ** 2) / 0.08)
            return jet - 8 * np.cos(3 * latitude[:, None]) * sigma + wave[:, None]
        surface = 305 - 45 * np.sin(latitude[:, None]) ** 2
        return np.maximum(200.0, surface * sigma**0.19) + wave[:, None]

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"phase": (2,), "step": (), "time": ()}

    def save(self) -> dict[str, Any] | None:
        if self.rank != 0:
            return None
        return {"phase": self.phase.copy(), "step": np.int64(self.step), "time": np.float64(self.time)}

    def restore(self, state: Mapping[str, Any] | None) -> None:
        found = state if self._comm is None else self._comm.bcast(state, 0)
        assert found is not None
        self.phase = np.array(found["phase"])
        self.step, self.time = int(found["step"]), float(found["time"])

    def sections(self) -> dict[str, float]:
        return {"stage": 2.0 * self.step, "halo": 1.0 * self.step}
