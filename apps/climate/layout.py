"""How fields lie in memory: padded rows of one block of a panel, and the state of a model.

A block is a rectangle of evolved cells of one panel with a halo of HALO cells around. Its rows have `pitch` elements:
the cells, both halos and room behind them, so that a vector begun at the last evolved cell stays inside its row.
Element (k, j, i) of a block's flat field is at (k·rows + j)·pitch + i, where rows counts the halo too; evolved cells
have HALO ≤ j < rows − HALO and HALO ≤ i < HALO + columns. What stands behind the right halo is never read as data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Floats = npt.NDArray[np.float64]

# Cells around a block: upwind fluxes of third order and two Laplacians in a row reach two, one more for faces.
HALO = 3
# Evolved cells of a panel beyond its quarter of the sphere, on each side, so that donors of the other are evolved.
BUFFER = 2
# Widest vector [elements] and the unit that rows are padded to.
MOST_LANES = 16

# Precision of a model → dtype of winds, potential temperature and tracers; surface pressure is float64 always.
PRECISIONS = {"double": "float64", "mixed": "float32", "single": "float32"}


def pitch_of(columns: int) -> int:
    """Elements from one row to the next of a block of so many evolved columns: an odd multiple of MOST_LANES.

    Odd, so that rows above each other do not all fall into the same few sets of a cache.
    """
    units = -(-(columns + 2 * HALO + MOST_LANES) // MOST_LANES)
    return (units + 1 - units % 2) * MOST_LANES


@dataclass(frozen=True)
class Region:
    """Rectangle of cells of a block, in its padded rows and columns; ends are exclusive."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int


@dataclass(frozen=True)
class State:
    """Prognostic fields of the blocks of a rank.

    Attributes
    ----------
    mass : (blocks, rows, pitch) depth h [m] of the layer, or surface pressure [Pa] (then float64 in every precision)
    u : (blocks, levels, rows, pitch) wind along panel rows [m/s], on the east face of cell (j, i)
    v : (blocks, levels, rows, pitch) wind along panel columns [m/s], on the north face of cell (j, i)
    theta : (blocks, levels, rows, pitch) potential temperature [K], or None (shallow water)
    tracer : (blocks, levels, rows, pitch) mixing ratio, or None
    """

    mass: Array
    u: Array
    v: Array
    theta: Array | None = None
    tracer: Array | None = None

    @property
    def fields(self) -> tuple[Array | None, ...]:
        """All of them, in the order of the declaration."""
        return self.mass, self.u, self.v, self.theta, self.tracer

    @cached_property
    def flat(self) -> list[tuple[Array, ...]]:
        """Per block the flat fields that kernels are given, mass, u, v and θ if there is one; made once."""
        fields = [field for field in self.fields[:-1] if field is not None]
        return [tuple(field[block].reshape(-1) for field in fields) for block in range(len(self.mass))]
