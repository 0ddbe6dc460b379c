"""Mass and energy of the whole sphere, the same bits on any ranks, and the fixer that keeps the mass."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from clustermark.apps.climate.backend import Backend
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
        self,
        domain: Domain,
        radius: float,
        comm: Any,
        core: Core,
        start: State,
        partition: Floats | None,
        backend: Backend,
    ) -> None:
        """Areas that cells stand for (grid.area_weights), and bounds of the sums from the state at the start.

        Parameters
        ----------
        start : on the host
        partition : (2, rows, columns) areas for the mass alone (seam.partition_weights), or None
        backend : kernels and memory of the states whose mass is asked for
        """
        self._rows, self._columns, self._core = domain.blocks[0].rows, domain.blocks[0].columns, core
        self._memory, self._scale_cells = backend.memory, backend.sums.scale_cells
        areas = area_weights(domain.grid, radius)
        self._sums = AreaSums(comm, domain.cut(np.pad(areas, HALO)), self._columns, float(areas.max()), backend)
        self._mass_sums = self._sums
        if partition is not None:
            weights = domain.cut(np.pad(partition, ((0, 0), (HALO, HALO), (HALO, HALO))))
            self._mass_sums = AreaSums(comm, weights, self._columns, float(partition.max()), backend)
        with np.errstate(all="ignore"):  # what stands behind the halos may be anything
            cells = [evolved(field, self._columns) for field in (start.mass, core.energy(start))]
        largest = [float(np.abs(field).max()) for field in cells]
        if comm is not None:
            largest = [max(values) for values in zip(*comm.allgather(largest), strict=True)]
        self._mass_bound, self._energy_bound = (ROOM * value for value in largest)

    def mass(self, state: State) -> float:
        """∫h dA [m³] of water, ∫p_s dA [N] of an atmosphere; NaN where a value is not finite or far off."""
        return _integral(self._mass_sums, "mass", state.mass, self._mass_bound)

    def energy(self, state: State) -> float:
        """∫ of the total energy of a state on the host (core.Core.energy); NaN as for the mass."""
        with np.errstate(all="ignore"):
            values = self._memory.from_host(self._core.energy(state))
            return _integral(self._sums, "energy", values, self._energy_bound)

    def scale_mass(self, state: State, factor: float) -> None:
        """Multiply the mass field of this rank's evolved cells."""
        for block in range(len(state.mass)):
            self._scale_cells(state.mass[block], self._rows, self._columns, factor)


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
            self._budget.scale_mass(state, self.reference / mass)
            self.last = self.reference
        return True
