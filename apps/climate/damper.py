"""∇⁴ damping bound to the coefficient, the metric and the workspace of a rank."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate.backend import Backend, Size
from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.layout import BUFFER, PRECISIONS, Region, State
from clustermark.apps.climate.metric import Metric
from clustermark.apps.climate.model import SECONDS_PER_HOUR, Model


class Damper:
    """What core.Core.damp does."""

    def __init__(self, model: Model, domain: Domain, metric: Metric, backend: Backend) -> None:
        """Take the e-folding time of the model."""
        dtype = PRECISIONS[model.setup.precision]
        self._inverse_spacing = metric.inverse_spacing
        self._cosines = metric.rows_of(backend.memory)
        _, self._rows, self._pitch = domain.shape
        self._levels = max(len(model.interfaces) - 1, 1)
        self._coefficient = damping_coefficient(model, domain, metric)
        self._copy_cells = backend.cells.copy_cells
        self._damp, self._own = backend.damp(Size(model.threads, self._levels, self._rows, self._pitch, dtype))
        # Water has no θ: its kernel damps the wind along rows once more in the place of it, into arrays of no use.
        self._nothing = backend.memory.from_host(np.zeros(domain.shape[1:], dtype).reshape(-1))

    def damp(self, block: int, region: Region, now: State, new: State) -> None:
        """new = now − ν₄Δt·∇⁴now on the region; the mass is copied."""
        corners = region.first_row, region.last_row, region.first_column, region.last_column
        (mass, u, v, *theta), (new_mass, new_u, new_v, *new_theta) = now.flat[block], new.flat[block]
        self._copy_cells(mass, self._pitch, *corners, new_mass)
        self._damp(
            u,
            v,
            *(theta or [u]),
            *self._cosines[block],
            self._inverse_spacing,
            self._coefficient,
            self._levels,
            self._rows,
            self._pitch,
            *corners,
            *self._own,
            new_u,
            new_v,
            *(new_theta or [self._nothing]),
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
