"""The forcing of a case bound to the latitudes, levels and workspace of a rank."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate import forcing_cpu
from clustermark.apps.climate.cases import PrimitiveCase
from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.forcing import HeldSuarez, forcing_table
from clustermark.apps.climate.initial import on_panels
from clustermark.apps.climate.layout import PRECISIONS, Region, State
from clustermark.apps.climate.model import Model
from clustermark.apps.climate.vertical import Levels
from clustermark.devices.simd import Width, native_width


class Forcing:
    """What core.Core.force does."""

    def __init__(self, case: PrimitiveCase, model: Model, domain: Domain, levels: Levels) -> None:
        """Tables of Held & Suarez 1994 where the case names them."""
        dtype = PRECISIONS[model.setup.precision]
        self._planet, self._on = case.planet, case.forcing == "held_suarez"
        forcing = HeldSuarez()
        self._constants, self._table = forcing.constants, forcing_table(forcing, levels)
        squares = on_panels(domain.grid, "center", lambda _longitude, latitude: np.sin(latitude) ** 2)
        self._sine_square = domain.cut(squares).astype(dtype)
        _, self._rows, self._pitch = domain.shape
        self._width = Width(native_width(dtype))
        self._work = forcing_cpu.make_work(model.threads, self._pitch, dtype)

    def force(self, block: int, region: Region, timestep: float, state: State) -> None:
        """Relax θ and slow the winds for one step, in place."""
        if not self._on:
            return
        assert state.theta is not None
        forcing_cpu.force(
            state.mass[block].reshape(-1),
            state.u[block].reshape(-1),
            state.v[block].reshape(-1),
            state.theta[block].reshape(-1),
            self._sine_square[block].reshape(-1),
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
            self._width,
            self._work,
        )
