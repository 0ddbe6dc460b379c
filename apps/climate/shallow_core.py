"""Shallow water as the driver asks for it: kernels bound to metric, ground and rotation of a rank's blocks."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate.backend import Backend, Size
from clustermark.apps.climate.cases import ShallowCase
from clustermark.apps.climate.damper import Damper
from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.initial import on_panels
from clustermark.apps.climate.layout import PRECISIONS, Floats, Region, State
from clustermark.apps.climate.metric import Metric
from clustermark.apps.climate.model import Model
from clustermark.apps.climate.winds import kinetic_energy


class ShallowCore:
    """core.Core of one layer of fluid."""

    levels = 1

    def __init__(self, case: ShallowCase, model: Model, domain: Domain, metric: Metric, backend: Backend) -> None:
        """Ground and Coriolis parameter of the case at the places of the blocks."""
        dtype = PRECISIONS[model.setup.precision]
        self.gravity, self.metric = case.planet.gravity, metric
        self.bottom = domain.cut(on_panels(domain.grid, "center", case.bottom))
        self.ground = self.bottom.astype(dtype)
        self.coriolis = domain.cut(on_panels(domain.grid, "corner", case.coriolis)).astype(dtype)
        _, rows, self._pitch = domain.shape
        self._stage, self._own = backend.shallow_stage(Size(model.threads, 1, rows, self._pitch, dtype))
        below = zip(self.ground, self.coriolis, strict=True)
        self._below = [tuple(backend.memory.from_host(field.reshape(-1)) for field in pair) for pair in below]
        self._cosines = metric.rows_of(backend.memory)
        self._damper = Damper(model, domain, metric, backend)

    def stage(self, block: int, region: Region, now: State, start: State, timestep: float, new: State) -> None:
        """Sadourny's enstrophy form, q by cubics (reference_shallow.py)."""
        self._stage(
            *now.flat[block],
            *start.flat[block],
            *self._below[block],
            *self._cosines[block],
            self.metric.inverse_spacing,
            self.gravity,
            timestep,
            self._pitch,
            region.first_row,
            region.last_row,
            region.first_column,
            region.last_column,
            *self._own,
            *new.flat[block],
        )

    def damp(self, block: int, region: Region, now: State, new: State) -> None:
        """∇⁴ of the winds; the depth stays."""
        self._damper.damp(block, region, now, new)

    def force(self, block: int, region: Region, timestep: float, state: State) -> None:
        """Nothing forces water."""

    def energy(self, state: State) -> Floats:
        """h(u² + v²)/2 + g((h + b)² − b²)/2 [m³/s²]."""
        depth = state.mass.astype(np.float64)
        return depth * kinetic_energy(state)[:, 0] + 0.5 * self.gravity * depth * (depth + 2.0 * self.bottom)
