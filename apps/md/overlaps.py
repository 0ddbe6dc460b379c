"""Which atoms stand on one another: looked for only when the energy of a start is absurd."""

from __future__ import annotations

import numpy as np

from clustermark.apps.md.model import Atoms, Floats
from clustermark.core.errors import UsageError


def worst_pair(atoms: Atoms, forces: Floats) -> tuple[int, int, float]:
    """Rows of the atom with the largest force, or with one that is no number, and of its nearest neighbour; distance.

    Of two atoms that overlap each feels the largest force, so one pass over the atoms finds the pair.
    """
    sizes = np.linalg.norm(forces, axis=1)
    worst = int(np.where(np.isfinite(sizes), sizes, np.inf).argmax())
    difference = atoms.positions - atoms.positions[worst]
    difference -= atoms.box * np.rint(difference / atoms.box)
    square = np.einsum("ij,ij->i", difference, difference)
    square[worst] = np.inf
    nearest = int(square.argmin())
    return worst, nearest, float(np.sqrt(square[nearest]))


def overlap_error(atoms: Atoms, forces: Floats, energy: float) -> UsageError:
    """The sentence for a start whose potential energy no run survives."""
    i, j, distance = worst_pair(atoms, forces)
    first, second = sorted((int(atoms.ids[i]), int(atoms.ids[j])))
    return UsageError(
        f"atoms {first} and {second} are {distance:.3g} apart and the potential energy is {energy:.3g}: "
        f"they overlap; remove one of them or relax the configuration first"
    )
