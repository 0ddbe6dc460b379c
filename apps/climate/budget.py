"""Mass and energy of the whole sphere, the same bits on any ranks, and the fixer that keeps the mass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clustermark.apps.climate.core import Core
from clustermark.apps.climate.decomposition import Domain, evolved
from clustermark.apps.climate.grid import area_weights
from clustermark.apps.climate.layout import HALO, Array, Floats, State
from clustermark.apps.climate.sums import exact_sum


class Budget:
    """Integrals over the sphere of what this rank's blocks hold."""

    def __init__(self, domain: Domain, radius: float, comm: Any, core: Core) -> None:
        """Cut the areas that cells stand for (grid.area_weights) for the blocks."""
        self._domain, self._comm, self._core = domain, comm, core
        around = np.pad(area_weights(domain.grid, radius), HALO)
        self._weights = np.ascontiguousarray(self.cells(domain.cut(around)))

    def mass(self, state: State) -> float:
        """∫h dA [m³] of shallow water, ∫p_s dA [N] of an atmosphere; NaN where a value is not finite. Collective."""
        return self._integral(self.cells(state.mass).astype(np.float64))

    def energy(self, state: State) -> float:
        """∫ of the total energy, kinetic, internal and potential (core.Core.energy). Collective."""
        return self._integral(self.cells(self._core.energy(state)))

    def cells(self, field: Array) -> Array:
        """The evolved cells of a field of this rank: a view."""
        return evolved(field, self._domain.blocks[0].columns)

    def _integral(self, values: Floats) -> float:
        return exact_sum(self._weights * values, self._comm)


class MassFixer:
    """Multiplies the mass field after each step by what keeps its integral, and keeps account of that."""

    def __init__(self, budget: Budget, state: State, enabled: bool) -> None:
        """The mass of a state is kept from now on."""
        self._budget = budget
        self.enabled = enabled
        self.reference = budget.mass(state)
        self.raw_drift = 0.0
        self.last = self.reference

    def apply(self, state: State) -> bool:
        """Scale the mass of a state back; whether its integral is a number. Collective.

        `raw_drift` adds up the relative changes of single steps before they are mended: what the scheme would have
        gained. In a layer of water the depth changes with it, in an atmosphere the surface pressure.
        """
        mass = self._budget.mass(state)
        if not math.isfinite(mass):
            return False
        self.raw_drift += (mass - self.last) / self.reference
        self.last = mass
        if self.enabled:
            self._budget.cells(state.mass)[...] *= state.mass.dtype.type(self.reference / mass)
            self.last = self.reference
        return True
