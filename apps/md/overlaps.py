"""Which atoms stand on one another: looked for only when the energy of a start is absurd."""

from __future__ import annotations

import numpy as np

from clustermark.apps.md.model import Atoms, Floats
from clustermark.core.errors import UsageError

_BLOCK = 256


def closest_pair(positions: Floats, box: Floats) -> tuple[int, int, float]:
    """Rows of the two atoms nearest to each other under periodic images, and their distance; O(N²), in blocks."""
    best = (0, 0, np.inf)
    for first in range(0, len(positions), _BLOCK):
        block = positions[first : first + _BLOCK]
        difference = block[:, None, :] - positions[None, first:, :]
        difference -= box * np.rint(difference / box)
        square = np.einsum("ijk,ijk->ij", difference, difference)
        square[np.arange(len(block)), np.arange(len(block))] = np.inf
        place = int(square.argmin())
        i, j = divmod(place, square.shape[1])
        if square[i, j] < best[2]:
            best = (first + i, first + j, float(square[i, j]))
    return best[0], best[1], float(np.sqrt(best[2]))


def overlap_error(atoms: Atoms, energy: float) -> UsageError:
    """The sentence for a start whose potential energy no run survives."""
    i, j, distance = closest_pair(atoms.positions, atoms.box)
    return UsageError(
        f"atoms {atoms.ids[i]} and {atoms.ids[j]} are {distance:.3g} apart and the potential energy is {energy:.3g}: "
        f"they overlap; remove one of them or relax the configuration first"
    )
