"""The forcing of a case bound to the latitudes, levels and workspace of a rank."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate.backend import Backend, Size
from clustermark.apps.climate.cases import PrimitiveCase
from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.forcing import HeldSuarez, forcing_table
from clustermark.apps.climate.initial import on_panels
from clustermark.apps.climate.layout import PRECISIONS, Region, State
from clustermark.apps.climate.model import Model
from clustermark.apps.climate.vertical import Levels


class Forcing:
    """What core.Core.force does."""

    def __init__(self, case: PrimitiveCase, model: Model, domain: Domain, levels: Levels, backend: Backend) -> None:
        """Tables of Held & Suarez 1994 where the case names them."""
        dtype = PRECISIONS[model.setup.precision]
        self._planet, self._on = case.planet, case.forcing == "held_suarez"
        forcing = HeldSuarez()
        on_device = backend.memory.from_host
        self._constants, self._table = forcing.constants, on_device(forcing_table(forcing, levels))
        squares = on_panels(domain.grid, "center", lambda _longitude, latitude: np.sin(latitude) ** 2)
        self._sine_square = [on_device(square.reshape(-1)) for square in domain.cut(squares).astype(dtype)]
        _, self._rows, self._pitch = domain.shape
        self._force, self._own = backend.force(Size(model.threads, levels.count, self._rows, self._pitch, dtype))

    def force(self, block: int, region: Region, timestep: float, state: State) -> None:
        """Relax θ and slow the winds for one step, in place."""
        if not self._on:
            return
        self._force(
            *state.flat[block],
            self._sine_square[block],
            self._table,
            self._constants,
            self._planet.kappa,
            self._planet.reference_pressure,
            timestep,
            self._rows,
            self._pitch,
            region.first_row,
            region.last_row,
            region.first_column,
            region.last_column,
            *self._own,
        )
