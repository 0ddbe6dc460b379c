"""What the program around it asks of an engine: advance, tell, hand out its atoms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from clustermark.apps.md.model import Atoms, Floats, Thermo


@dataclass(frozen=True)
class State:
    """What one rank needs to go on from a step bit by bit.

    Attributes
    ----------
    step : the step that the state is of
    atoms : this rank's atoms, in the order in which the engine holds them
    thermostat : numbers of the thermostat by name, empty without one
    """

    step: int
    atoms: Atoms
    thermostat: dict[str, float | int]


class Engine(Protocol):
    """A simulation on one rank of many; every method is called on all ranks alike."""

    rank: int
    ranks: int
    step: int

    def thermo(self) -> Thermo:
        """Thermodynamic quantities of the current step, the same on all ranks."""
        ...

    def advance(self, steps: int) -> None:
        """Make steps. Raises ClustermarkError on all ranks, such as for atoms that were lost."""
        ...

    def gather(self) -> Atoms | None:
        """All atoms sorted by id on rank 0, None elsewhere."""
        ...

    def gather_forces(self) -> Floats | None:
        """(n, 3) forces in the order of `gather` on rank 0, None elsewhere."""
        ...

    def state(self) -> State:
        """This rank's state of the current step, for a restart."""
        ...

    def sections(self) -> dict[str, float]:
        """[s] spent by this rank so far, by section: force, list, halo, migrate, integrate."""
        ...
