"""What a thermostat sees of a rank, and what the engine sees of a thermostat."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from clustermark.apps.md import velocity_kernels
from clustermark.apps.md.model import Floats, Integers
from clustermark.core.errors import ClustermarkError, UsageError, plain
from clustermark.devices.memory import HostMemory, Memory

HOST = HostMemory()


@dataclass(frozen=True)
class Slots:
    """The local velocities of a rank in the cluster layout (docs/md.md), as views that a thermostat may write.

    Attributes
    ----------
    velocities : flat, float64 or float32, [x × lanes | y × lanes | z × lanes] for each cluster; 0 in empty slots
    ids : (lanes·clusters or more,) int64, −1 in empty slots
    types : like ids, int32, a type or −1 in empty slots
    lanes : slots of a cluster
    clusters : how many clusters are local
    total : sum of one number over all ranks, the same on all of them
    kernels, memory : those that the arrays are made for (backend.Backend)
    """

    velocities: npt.NDArray[Any]
    ids: Integers
    types: npt.NDArray[np.int32]
    lanes: int
    clusters: int
    total: Callable[[float], float]
    kernels: Any = velocity_kernels
    memory: Memory = HOST

    def scale(self, factor: float) -> None:
        """Multiply all local velocities."""
        self.kernels.scale(self.velocities, self.lanes, self.clusters, factor)

    def kinetic_energy(self, masses: Floats, mass_velocity2: float, step: int) -> float:
        """Σ m v²/2 over all ranks [energy]; masses per type; collective; ClustermarkError if it is not finite."""
        arguments = self.velocities, self.types, self.memory.kept(masses), self.lanes, self.clusters
        local = self.kernels.kinetic_energy(*arguments, mass_velocity2)
        total = self.total(local)
        if not math.isfinite(total):
            raise blown_up(step)
        return total


def blown_up(step: int) -> ClustermarkError:
    """The error of velocities beyond all bounds."""
    return ClustermarkError(
        f"step {step}: the kinetic energy is no longer a finite number, the run has blown up; "
        "take a shorter time step, or a start without overlapping atoms"
    )


class Thermostat(Protocol):
    """What the engine knows of an ensemble.

    `state` and `restore` carry everything but the arguments of the maker: a restart goes on bit by bit.
    """

    needs_full_step: bool

    def end_of_step(self, slots: Slots, step: int) -> None:
        """Act on the velocities after the closing half kick of `step` (1, 2, …); collective."""
        ...

    def conserved(self, total_energy: float) -> float | None:
        """The quantity that an exact integration would keep; None where this is not followed."""
        ...

    def state(self) -> dict[str, float]:
        """What the thermostat remembers, the same on all ranks."""
        ...

    def restore(self, state: Mapping[str, float]) -> None:
        """Take a state back; UsageError if it is not one of this ensemble."""
        ...


def state_values(kind: str, names: tuple[str, ...], state: Mapping[str, float]) -> list[float]:
    """The values of a thermostat's state in the order of their names; UsageError if names or values are others."""
    if set(state) != set(names):
        found = plain(", ".join(sorted(map(str, state))) or "nothing")
        expected = ", ".join(names) or "nothing"
        raise UsageError(f"restart: ensemble {kind} expects {expected}, found {found}; restart with the same ensemble")
    for name, value in state.items():
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise UsageError(
                f"restart: {name} of ensemble {kind} is {plain(str(value))}: expected a finite number; "
                "use an earlier restart file"
            )
    return [float(state[name]) for name in names]
