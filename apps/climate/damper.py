"""∇⁴ damping bound to the coefficient, the metric and the workspace of a rank."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate import damping_cpu
from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.layout import BUFFER, PRECISIONS, Region, State
from clustermark.apps.climate.metric import Metric
from clustermark.apps.climate.model import SECONDS_PER_HOUR, Model
from clustermark.devices.simd import Width, native_width


class Damper:
    """What core.Core.damp does."""

    def __init__(self, model: Model, domain: Domain, metric: Metric) -> None:
        """Take the e-folding time of the model."""
        dtype = PRECISIONS[model.setup.precision]
        self._metric = metric
        _, self._rows, self._pitch = domain.shape
        self._coefficient = damping_coefficient(model, domain, metric)
        self._width = Width(native_width(dtype))
        self._work = damping_cpu.make_work(model.threads, self._pitch, dtype)
        # Water has no θ: its kernel damps the wind along rows once more in the place of it, into arrays of no use.
        self._nothing = np.zeros(domain.shape[1:], dtype).reshape(-1)

    def damp(self, block: int, region: Region, now: State, new: State) -> None:
        """new = now − ν₄Δt·∇⁴now on the region; the mass is copied."""
        rows = slice(region.first_row, region.last_row)
        columns = slice(region.first_column, region.last_column)
        new.mass[block, rows, columns] = now.mass[block, rows, columns]
        theta = now.u if now.theta is None else now.theta
        spare = self._nothing if new.theta is None else new.theta[block].reshape(-1)
        damping_cpu.damp(
            now.u[block].reshape(-1),
            now.v[block].reshape(-1),
            theta[block].reshape(-1),
            self._metric.cos_center[block],
            self._metric.cos_face[block],
            self._metric.inverse_spacing,
            self._coefficient,
            now.u.shape[1],
            self._rows,
            self._pitch,
            region.first_row,
            region.last_row,
            region.first_column,
            region.last_column,
            self._width,
            self._work,
            new.u[block].reshape(-1),
            new.v[block].reshape(-1),
            spare,
        )


def damping_coefficient(model: Model, domain: Domain, metric: Metric) -> float:
    """ν₄Δt of one application [m⁴]: Δx⁴/(16τ) times the time from one to the next.

    The wave of two cells along one direction has ∇⁴ = 16/Δx⁴, so that it falls to 1/e in τ; Δx is the width of a cell
    at the rim of a panel's quarter, the narrowest.
    """
    if model.damping_hours <= 0:
        return 0.0
    narrowest = np.cos(0.25 * np.pi + BUFFER * domain.grid.spacing) / metric.inverse_spacing
    interval = model.setup.timestep * model.setup.damping_every
    return float(narrowest**4 * interval / (16.0 * model.damping_hours * SECONDS_PER_HOUR))
