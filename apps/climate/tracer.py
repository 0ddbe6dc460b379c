"""A passive tracer on a rank's blocks: carried once per step with the mass fluxes of the last stage."""

from __future__ import annotations

from typing import Any

import numpy as np

from clustermark.apps.climate.backend import Backend, Size
from clustermark.apps.climate.decomposition import Domain, evolved
from clustermark.apps.climate.halo import Exchange
from clustermark.apps.climate.layout import HALO, Floats, State
from clustermark.apps.climate.metric import Metric
from clustermark.apps.climate.overset import make_tables
from clustermark.apps.climate.transport import level_weights

_WATER = np.array([0.0, 1.0])


class Tracer:
    """Piecewise parabolic transport of one mixing ratio; its halo is HALO cells deep and is filled once per step."""

    def __init__(
        self, domain: Domain, comm: Any, metric: Metric, interfaces: Floats, field: Any, threads: int, backend: Backend
    ) -> None:
        """Workspace and exchange.

        Parameters
        ----------
        interfaces : (levels + 1,) σ; empty for water
        field : (blocks, levels, rows, pitch) mixing ratio in the memory of `backend`, changed in place from now on
        """
        self.field, memory = field, backend.memory
        self._domain, self._metric = domain, metric
        self._interfaces = interfaces if len(interfaces) else _WATER
        self._table = memory.from_host(level_weights(self._interfaces))
        made = memory.zeros(field.shape, field.dtype)
        self._size = levels, rows, pitch = field.shape[1], field.shape[2], field.shape[3]
        self._columns = domain.blocks[0].columns
        self._blocks = [(field[slot].reshape(-1), made[slot].reshape(-1)) for slot in range(len(field))]
        self._kernels, self._metric_rows = backend.tracer, metric.rows_of(memory)
        self._carry = backend.carry(Size(threads, levels, rows, pitch, str(field.dtype)))
        self._exchange = Exchange(domain, make_tables(domain.grid), comm, [field], threads=threads, backend=backend)

    def advance(self, timestep: float, start: State, read: State, new: State) -> None:
        """A step.

        Parameters
        ----------
        start, new : before and after the step; their mass
        read : what the last stage has read, whose mass fluxes it took; halos valid
        """
        self.evaluate(timestep, start, read, new)
        for old, made in self._blocks:
            self._kernels.take_cells(made, *self._size, self._columns, old)

    def evaluate(self, timestep: float, start: State, read: State, new: State) -> None:
        """The new mixing ratio, beside the one of now."""
        for slot, block in enumerate(self._domain.blocks):
            old, made = self._blocks[slot]
            self._carry.call(
                *(old, start.flat[slot][0], *read.flat[slot][:3], new.flat[slot][0], *self._metric_rows[slot]),
                *(self._table, self._metric.inverse_spacing, timestep, *self._size[1:]),
                *(HALO, HALO + block.rows, HALO, HALO + block.columns, *self._carry.own, made),
            )

    def share(self) -> None:
        """Fill the halo. What is interpolated between the panels may fall below zero, and is cut off there."""
        self._exchange.start()
        self._exchange.finish()
        for field, _ in self._blocks:
            self._kernels.cut_below_zero(*self._size, self._columns, field)

    def outflow(self, timestep: float, state: State) -> float:
        """Largest sum of the parts of a cell's mass that leave it in one step, of this rank: Σx of docs/climate.md."""
        mass, u, v = (a.astype(np.float64) for a in (state.mass[:, np.newaxis], state.u, state.v))
        center, face = (a[:, np.newaxis, :, np.newaxis] for a in (self._metric.cos_center, self._metric.cos_face))
        thickness = np.diff(self._interfaces)[:, np.newaxis, np.newaxis]
        with np.errstate(all="ignore"):  # what stands behind the halos may be anything
            east = 0.5 * (mass + np.roll(mass, -1, -1)) * u / center
            north = 0.5 * (mass + np.roll(mass, -1, -2)) * v * face
            west, south = np.roll(east, 1, -1), np.roll(north, 1, -2) / center
            north = north / center
            above = np.cumsum(thickness * (east - west + north - south), axis=1)
            fall = (self._interfaces[1:, np.newaxis, np.newaxis] * above[:, -1:] - above) / thickness
            rise = np.roll(fall * thickness, 1, 1) / thickness
            rise[:, 0] = 0.0
            leaving = sum(np.maximum(flux, 0.0) for flux in (east, -west, north, -south, fall, -rise))
            parts = leaving * (timestep * self._metric.inverse_spacing) / mass
        return float(evolved(parts, self._domain.blocks[0].columns).max())
