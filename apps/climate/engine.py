"""What the program around it asks of a simulation: advance, tell, hand out its fields, keep and take up its state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from clustermark.apps.climate.layout import Floats
from clustermark.apps.climate.setup import Setup


@dataclass(frozen=True)
class Look:
    """Global facts of one step, the same on all ranks.

    Attributes
    ----------
    step, time : number of steps and model time [s] since the start of the case, over all restarts
    mass : [kg]; shallow water: volume [m³]
    energy : total energy [J]; shallow water: divided by the density [m⁵/s²]
    raw_mass_drift : relative change of mass by the dynamics alone since the start, as if there were no fixer
    fixer_work : relative mass that the fixer added since the start
    smallest, largest : name of a prognostic field → its extremes over evolved cells, in SI units
    courant : largest Courant number, (wave speed + wind)·Δt/Δx
    """

    step: int
    time: float
    mass: float
    energy: float
    raw_mass_drift: float
    fixer_work: float
    smallest: Mapping[str, float]
    largest: Mapping[str, float]
    courant: float


@dataclass(frozen=True)
class Output:
    """A field as files describe it.

    Attributes
    ----------
    long_name, standard_name, units : CF attributes; standard_name "" where the CF table has none
    dimensions : 2, or 3 with levels
    """

    long_name: str
    standard_name: str
    units: str
    dimensions: int


class Simulation(Protocol):
    """A simulation on one rank of many; every method is called on all ranks alike.

    Attributes
    ----------
    rank, ranks : of the communicator
    step, time : as in `Look`
    """

    rank: int
    ranks: int
    step: int
    time: float

    @property
    def setup(self) -> Setup:
        """What it was made from."""
        ...

    @property
    def sigma(self) -> Floats:
        """(levels,) σ of full levels, top first; (1,) of one for shallow water."""
        ...

    @property
    def outputs(self) -> Mapping[str, Output]:
        """Name → description of every field that `gather` knows."""
        ...

    def advance(self, steps: int) -> None:
        """Make steps. Raises ClustermarkError on all ranks."""
        ...

    def look(self) -> Look:
        """Global facts of the current step."""
        ...

    def gather(self, name: str) -> Floats | None:
        """(2, [levels,] rows, columns) cell-centre values of evolved cells on rank 0, None elsewhere."""
        ...

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Name → shape of every array of `save`, known on every rank."""
        ...

    def save(self) -> dict[str, Any] | None:
        """On rank 0 all that is needed to go on bit by bit on any decomposition, None elsewhere.

        Evolved values of the prognostic fields, step, time, the fixer's reference and the phase of the damping, as
        arrays (numbers are arrays without axes).
        """
        ...

    def restore(self, state: Mapping[str, Any] | None) -> None:
        """Take up what `save` gave, from rank 0; other ranks give None."""
        ...

    def sections(self) -> dict[str, float]:
        """[s] spent by this rank so far, by section of the step."""
        ...
