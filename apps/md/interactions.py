"""What the pair kernels are given: one NamedTuple per kind of potential, whose type selects the formula.

Arrays and scalars are in the precision of the kernels. Tables of pairs are flat, row = type of i · types + type of j.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from clustermark.apps.md.model import EmbeddedAtom, Potential
from clustermark.apps.md.tables import pair_table, spline_table

Array = npt.NDArray[Any]


class OneType(NamedTuple):
    """Lennard-Jones between atoms of one type, style "cut" or "shifted".

    `one` is 1 in the kernels' precision: a literal would promote float32 on a GPU.
    """

    one: Any
    cutoff_square: Any
    force_12: Any
    force_6: Any
    energy_12: Any
    energy_6: Any
    offset: Any


class ManyTypes(NamedTuple):
    """Lennard-Jones between atoms of several types, or force-shifted; every number is looked up per pair of types.

    `types` holds the type of every slot, `number` is how many types there are.
    """

    one: Any
    types: Array
    number: int
    cutoff_square: Array
    force_12: Array
    force_6: Array
    energy_12: Array
    energy_6: Array
    offset: Array
    slope: Array


class Embedded(NamedTuple):
    """Embedded atoms (Daw & Baskes 1984): cubic splines, four coefficients a row.

    Attributes
    ----------
    density : (types · intervals · 4,) of the type that gives the density
    pair : (types · types · intervals · 4,) r·φ(r)
    intervals, per_length : of both tables; 1 / spacing
    types : type of every slot; number : of types
    embedding_slope : F'(ρ) of every slot, in the cluster layout of one number per slot
    """

    one: Any
    types: Array
    number: int
    cutoff_square: Any
    per_length: Any
    intervals: int
    density: Array
    pair: Array
    embedding_slope: Array


Interaction = OneType | ManyTypes | Embedded


def make_interaction(potential: Potential, dtype: str, types: Array, embedding_slope: Array) -> Interaction:
    """What the kernels need of a potential, in their precision.

    Parameters
    ----------
    dtype : "float64" or "float32"
    types : type of every slot, kept by reference
    embedding_slope : one number per slot, kept by reference; used by EmbeddedAtom only
    """
    real = np.dtype(dtype).type

    def flat(table: Any) -> Array:
        return np.ascontiguousarray(table, dtype).reshape(-1)

    if isinstance(potential, EmbeddedAtom):
        table = spline_table(potential)
        return Embedded(
            one=real(1),
            types=types,
            number=len(potential.elements),
            cutoff_square=real(table.cutoff_square),
            per_length=real(table.r_spacing_inverse),
            intervals=table.density.shape[1],
            density=flat(table.density),
            pair=flat(table.pair),
            embedding_slope=embedding_slope,
        )
    pairs = pair_table(potential)
    names = ("cutoff_square", "force_12", "force_6", "energy_12", "energy_6", "offset")
    if pairs.cutoff.size == 1 and not pairs.slope.any():
        return OneType(real(1), *(real(getattr(pairs, name).item()) for name in names))
    tables = [flat(getattr(pairs, name)) for name in (*names, "slope")]
    return ManyTypes(real(1), types, len(pairs.cutoff), *tables)


def bound_to(interaction: Interaction, types: Array, embedding_slope: Array) -> Interaction:
    """The same interaction over other arrays of the slots; its tables are kept, as they cost more than a reference."""
    if isinstance(interaction, OneType):
        return interaction
    if isinstance(interaction, ManyTypes):
        return interaction._replace(types=types)
    return interaction._replace(types=types, embedding_slope=embedding_slope)
