"""A passive tracer on a rank's blocks: carried once per step with the mass fluxes of the last stage."""

from __future__ import annotations

from typing import Any

import numpy as np

from clustermark.apps.climate.decomposition import Domain, evolved
from clustermark.apps.climate.halo import Exchange
from clustermark.apps.climate.layout import HALO, Array, Floats, State
from clustermark.apps.climate.memory import aligned_zeros
from clustermark.apps.climate.metric import Metric
from clustermark.apps.climate.overset import make_tables
from clustermark.apps.climate.tracer_cpu import advance, make_work
from clustermark.apps.climate.transport import level_weights
from clustermark.devices.simd import Width, native_width

_WATER = np.array([0.0, 1.0])


class Tracer:
    """Piecewise parabolic transport of one mixing ratio; its halo is HALO cells deep and is filled once per step."""

    def __init__(
        self, domain: Domain, comm: Any, metric: Metric, interfaces: Floats, field: Array, threads: int
    ) -> None:
        """Workspace and exchange.

        Parameters
        ----------
        interfaces : (levels + 1,) σ; empty for water
        field : (blocks, levels, rows, pitch) mixing ratio, changed in place from now on
        """
        self.field = field
        self._domain, self._metric = domain, metric
        self._interfaces = interfaces if len(interfaces) else _WATER
        self._table = level_weights(self._interfaces)
        self._new = aligned_zeros(field.shape, field.dtype)
        self._work = make_work(threads, field.shape[1], field.shape[-1])
        self._width = Width(native_width("float64"))
        self._exchange = Exchange(domain, make_tables(domain.grid), comm, [field], threads=threads)

    def advance(self, timestep: float, start: State, read: State, new: State) -> None:
        """A step.

        Parameters
        ----------
        start, new : before and after the step; their mass
        read : what the last stage has read, whose mass fluxes it took; halos valid
        """
        self.evaluate(timestep, start, read, new)
        columns = self._domain.blocks[0].columns
        evolved(self.field, columns)[...] = evolved(self._new, columns)

    def evaluate(self, timestep: float, start: State, read: State, new: State) -> None:
        """The new mixing ratio, beside the one of now."""
        rows, pitch = self.field.shape[-2:]
        for slot, block in enumerate(self._domain.blocks):
            advance(
                self.field[slot].reshape(-1), start.mass[slot].reshape(-1), read.mass[slot].reshape(-1),
                read.u[slot].reshape(-1), read.v[slot].reshape(-1), new.mass[slot].reshape(-1),
                self._metric.cos_center[slot], self._metric.cos_face[slot], self._table, self._metric.inverse_spacing,
                timestep, rows, pitch, HALO, HALO + block.rows, HALO, HALO + block.columns, self._width, self._work,
                self._new[slot].reshape(-1),
            )  # fmt: skip

    def share(self) -> None:
        """Fill the halo. What is interpolated between the panels may fall below zero, and is cut off there."""
        self._exchange.start()
        self._exchange.finish()
        columns = self._domain.blocks[0].columns
        rim = np.s_[..., :HALO, :], np.s_[..., -HALO:, :], np.s_[..., :HALO], np.s_[..., HALO + columns :]
        for strip in rim:
            np.maximum(self.field[strip], 0, out=self.field[strip])

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
