"""Mass and energy of the whole sphere, the same bits on any ranks, and the fixer that keeps the mass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clustermark.apps.climate.core import Core
from clustermark.apps.climate.decomposition import Domain, evolved
from clustermark.apps.climate.grid import area_weights
from clustermark.apps.climate.layout import HALO, Array, Floats, State
from clustermark.apps.climate.sums import AreaSums
from clustermark.core.errors import ClustermarkError

# A field may grow to so many times its largest value at the start before its sum is no number.
ROOM = 64.0


class Budget:
    """Integrals over the sphere of what all ranks' blocks hold; every method is collective."""

    def __init__(
        self, domain: Domain, radius: float, comm: Any, core: Core, start: State, partition: Floats | None = None
    ) -> None:
        """Areas that cells stand for (grid.area_weights), and bounds of the sums from the state at the start.

        Parameters
        ----------
        partition : (2, rows, columns) areas for the mass alone (seam.partition_weights)
        """
        self._columns, self._core = domain.blocks[0].columns, core
        areas = area_weights(domain.grid, radius)
        self._sums = AreaSums(comm, domain.cut(np.pad(areas, HALO)), self._columns, float(areas.max()))
        self._mass_sums = self._sums
        if partition is not None:
            weights = domain.cut(np.pad(partition, ((0, 0), (HALO, HALO), (HALO, HALO))))
            self._mass_sums = AreaSums(comm, weights, self._columns, float(partition.max()))
        with np.errstate(all="ignore"):  # what stands behind the halos may be anything
            largest = [float(np.abs(self.cells(field)).max()) for field in (start.mass, core.energy(start))]
        if comm is not None:
            largest = [max(values) for values in zip(*comm.allgather(largest), strict=True)]
        self._mass_bound, self._energy_bound = (ROOM * value for value in largest)

    def mass(self, state: State) -> float:
        """∫h dA [m³] of water, ∫p_s dA [N] of an atmosphere; NaN where a value is not finite or far off."""
        return _integral(self._mass_sums, "mass", state.mass.astype(np.float64), self._mass_bound)

    def energy(self, state: State) -> float:
        """∫ of the total energy, kinetic, internal and potential (core.Core.energy); NaN as for the mass."""
        with np.errstate(all="ignore"):
            return _integral(self._sums, "energy", self._core.energy(state), self._energy_bound)

    def cells(self, field: Array) -> Array:
        """The evolved cells of a field of this rank: a view."""
        return evolved(field, self._columns)


def _integral(sums: AreaSums, name: str, values: Array, bound: float) -> float:
    try:
        return float(sums.of({name: values}, [bound])[0])
    except ClustermarkError:
        return math.nan


class MassFixer:
    """Multiplies the mass field after each step by what keeps its integral, and keeps account of that.

    Attributes
    ----------
    enabled : whether it does; the account is kept in any case
    reference : integral to be kept
    last : integral at the end of the last step
    raw_drift : sum of the relative changes of single steps before they are mended: what the scheme gains
    """

    def __init__(self, budget: Budget, state: State, enabled: bool) -> None:
        """The mass of a state is kept from now on."""
        self._budget = budget
        self.enabled = enabled
        self.reference = self.last = budget.mass(state)
        self.raw_drift = 0.0

    def apply(self, state: State) -> bool:
        """Account for a step and mend it; whether the integral was a number. Collective."""
        mass = self._budget.mass(state)
        if not math.isfinite(mass):
            return False
        self.raw_drift += (mass - self.last) / self.reference
        self.last = mass
        if self.enabled:
            self._budget.cells(state.mass)[...] *= state.mass.dtype.type(self.reference / mass)
            self.last = self.reference
        return True
