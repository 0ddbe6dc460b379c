"""What the driver asks of a model: one Runge-Kutta stage, damping and forcing on a rectangle of cells of a block."""

from __future__ import annotations

from typing import Protocol

from clustermark.apps.climate.layout import Floats, Region, State


class Core(Protocol):
    """The right-hand side of a model on one rank; nothing here communicates."""

    levels: int

    def stage(self, block: int, region: Region, now: State, start: State, timestep: float, new: State) -> None:
        """new = start + timestep·F(now) on the region; `now` has valid halos."""
        ...

    def damp(self, block: int, region: Region, now: State, new: State) -> None:
        """new = now − ν₄Δt·∇⁴now of winds (and potential temperature) on the region; the rest is copied."""
        ...

    def force(self, block: int, region: Region, timestep: float, state: State) -> None:
        """Diabatic forcing of the evolved cells, implicit in time, in place; nothing where the case has none."""
        ...

    def energy(self, state: State) -> Floats:
        """(blocks, rows, pitch) total energy per area, right in evolved cells [J/m²] (water: per density)."""
        ...
