"""The primitive equations as the driver asks for them: kernels bound to metric, ground, rotation and levels."""

from __future__ import annotations

import numpy as np

from clustermark.apps.climate import primitive_cpu, surface_cpu
from clustermark.apps.climate.cases import PrimitiveCase
from clustermark.apps.climate.cases.case import traditional_coriolis
from clustermark.apps.climate.damper import Damper
from clustermark.apps.climate.decomposition import Domain
from clustermark.apps.climate.forcing_core import Forcing
from clustermark.apps.climate.initial import on_panels
from clustermark.apps.climate.layout import PRECISIONS, Array, Floats, Region, State
from clustermark.apps.climate.metric import Metric
from clustermark.apps.climate.model import Model
from clustermark.apps.climate.vertical import level_table, make_levels, power_table
from clustermark.apps.climate.winds import kinetic_energy
from clustermark.devices.simd import Width, native_width


class PrimitiveCore:
    """core.Core of an atmosphere."""

    def __init__(self, case: PrimitiveCase, model: Model, domain: Domain, metric: Metric) -> None:
        """Ground, Coriolis parameter and vertical coefficients at the places of the blocks."""
        dtype = PRECISIONS[model.setup.precision]
        self.planet, self.metric = case.planet, metric
        self.vertical = make_levels(case.planet, model.interfaces)
        self.levels = self.vertical.count
        self.geopotential = domain.cut(on_panels(domain.grid, "center", case.surface_geopotential))
        self.ground = self.geopotential.astype(dtype)
        self.coriolis = domain.cut(on_panels(domain.grid, "corner", traditional_coriolis(case.planet))).astype(dtype)
        self._width = Width(native_width(dtype))
        blocks, self._rows, self._pitch = domain.shape
        self._table = level_table(self.vertical, case.planet)
        self._powers = power_table(case.planet.kappa)
        self._chunks = model.threads
        self._work = primitive_cpu.make_work(model.threads, self.levels, self._pitch, dtype)
        self._exner = np.zeros((blocks, self._rows * self._pitch))
        self._terms = np.zeros((blocks, surface_cpu.TERMS * self._rows * self._pitch), dtype)
        self._damper = Damper(model, domain, metric)
        self._forcing = Forcing(case, model, domain, self.vertical)

    def stage(self, block: int, region: Region, now: State, start: State, timestep: float, new: State) -> None:
        """Vector-invariant momentum, flux-form θ, cumulative divergence (reference_primitive.py)."""
        corners = (region.first_row, region.last_row, region.first_column, region.last_column)
        cos_center, cos_face = self.metric.cos_center[block], self.metric.cos_face[block]
        surface_cpu.surface_terms(
            now.mass[block].reshape(-1),
            cos_face,
            self._powers,
            self.planet.reference_pressure,
            self.planet.heat_capacity,
            self._rows,
            self._pitch,
            *corners,
            self._chunks,
            self._width,
            self._exner[block],
            self._terms[block],
        )
        primitive_cpu.advance(
            *_flat(now, block)[1:],
            *_flat(start, block),
            self.ground[block].reshape(-1),
            self.coriolis[block].reshape(-1),
            self._terms[block],
            cos_center,
            cos_face,
            self._table,
            self.metric.inverse_spacing,
            timestep,
            self._rows,
            self._pitch,
            *corners,
            self._width,
            self._work,
            *_flat(new, block),
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


def _flat(state: State, block: int) -> tuple[Array, Array, Array, Array]:
    assert state.theta is not None
    return tuple(a[block].reshape(-1) for a in (state.mass, state.u, state.v, state.theta))  # pyright: ignore[reportReturnType]
