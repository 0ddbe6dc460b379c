"""The primitive equations as the driver asks for them: kernels bound to metric, ground, rotation and levels."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate.backend import Backend, Size
from clustermark.apps.climate.cases import PrimitiveCase
from clustermark.apps.climate.cases.case import traditional_coriolis
from clustermark.apps.climate.damper import Damper
from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.forcing_core import Forcing
from clustermark.apps.climate.initial import on_panels
from clustermark.apps.climate.layout import PRECISIONS, Floats, Region, State
from clustermark.apps.climate.metric import Metric
from clustermark.apps.climate.model import Model
from clustermark.apps.climate.surface_cpu import TERMS
from clustermark.apps.climate.vertical import level_table, make_levels, power_table
from clustermark.apps.climate.winds import kinetic_energy


class PrimitiveCore:
    """core.Core of an atmosphere."""

    def __init__(self, case: PrimitiveCase, model: Model, domain: Domain, metric: Metric, backend: Backend) -> None:
        """Ground, Coriolis parameter and vertical coefficients at the places of the blocks."""
        dtype = PRECISIONS[model.setup.precision]
        self.planet, self.metric = case.planet, metric
        self.vertical = make_levels(case.planet, model.interfaces)
        self.levels = self.vertical.count
        self.geopotential = domain.cut(on_panels(domain.grid, "center", case.surface_geopotential))
        self.ground = self.geopotential.astype(dtype)
        self.coriolis = domain.cut(on_panels(domain.grid, "corner", traditional_coriolis(case.planet))).astype(dtype)
        blocks, self._rows, self._pitch = domain.shape
        on_device = backend.memory.from_host
        self._table = on_device(level_table(self.vertical, case.planet))
        self._powers = on_device(power_table(case.planet.kappa))
        size, plane = Size(model.threads, self.levels, self._rows, self._pitch, dtype), self._rows * self._pitch
        self._surface, self._surface_own = backend.surface_terms(size)
        self._advance, self._advance_own = backend.advance(size)
        self._exner = [on_device(exner) for exner in np.zeros((blocks, plane))]
        self._terms = [on_device(terms) for terms in np.zeros((blocks, TERMS * plane), dtype)]
        below = zip(self.ground, self.coriolis, strict=True)
        self._below = [tuple(on_device(field.reshape(-1)) for field in pair) for pair in below]
        self._cosines = metric.rows_of(backend.memory)
        self._damper = Damper(model, domain, metric, backend)
        self._forcing = Forcing(case, model, domain, self.vertical, backend)

    def stage(self, block: int, region: Region, now: State, start: State, timestep: float, new: State) -> None:
        """Vector-invariant momentum, flux-form θ, cumulative divergence (reference_primitive.py)."""
        corners = (region.first_row, region.last_row, region.first_column, region.last_column)
        mass, *moving = now.flat[block]
        cos_center, cos_face = self._cosines[block]
        self._surface(
            mass,
            cos_face,
            self._powers,
            self.planet.reference_pressure,
            self.planet.heat_capacity,
            self._rows,
            self._pitch,
            *corners,
            *self._surface_own,
            self._exner[block],
            self._terms[block],
        )
        self._advance(
            *moving,
            *start.flat[block],
            *self._below[block],
            self._terms[block],
            cos_center,
            cos_face,
            self._table,
            self.metric.inverse_spacing,
            timestep,
            self._rows,
            self._pitch,
            *corners,
            *self._advance_own,
            *new.flat[block],
        )

    def damp(self, block: int, region: Region, now: State, new: State) -> None:
        """∇⁴ of winds and potential temperature."""
        self._damper.damp(block, region, now, new)

    def force(self, block: int, region: Region, timestep: float, state: State) -> None:
        """Held & Suarez 1994 where the case asks for it."""
        self._forcing.force(block, region, timestep, state)

    def energy(self, state: State) -> Floats:
        """Σ_k Δσ_k (c_p T + K) p_s/g + Φ_s p_s/g [J/m²]."""
        assert state.theta is not None
        planet = self.planet
        exner = (state.mass / planet.reference_pressure) ** planet.kappa
        enthalpy = planet.heat_capacity * self.vertical.exner[:, np.newaxis, np.newaxis] * exner[:, np.newaxis]
        thickness = self.vertical.thickness[:, np.newaxis, np.newaxis]
        column = ((enthalpy * state.theta + kinetic_energy(state)) * thickness).sum(axis=1)
        return (column + self.geopotential) * state.mass / planet.gravity
