"""The check of the workload: one more stage on a piece of this rank's panel, against the float64 reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from clustermark.apps.climate import reference_primitive, reference_shallow
from clustermark.apps.climate.backend import to_host
from clustermark.apps.climate.cases import PrimitiveCase
from clustermark.apps.climate.layout import HALO, Array, Floats, Region, State
from clustermark.apps.climate.vertical import make_levels

if TYPE_CHECKING:
    from clustermark.apps.climate.driver import Simulation
    from clustermark.apps.climate.primitive_core import PrimitiveCore
    from clustermark.apps.climate.shallow_core import ShallowCore

# Most evolved rows and columns of the piece that the reference looks at.
ROWS, COLUMNS = 24, 48
# Pieces to choose from.
DRAWN = 16


def stage_error(simulation: Simulation, rng: np.random.Generator) -> tuple[float, float]:
    """Largest error of a stage of Δt from the present state, relative to the largest change of the same field in it.

    An error is what is beyond rounding (`_rounding`): near rest a stage changes winds and θ by little more than float32
    can tell apart. The piece is a rectangle of one of this rank's blocks with the halo around it, of some drawn at
    random the one where it blows most; kernel and reference get the same float values. Not collective; halos must be
    valid.

    Returns
    -------
    error, distance : of the worst field, and the same with rounding; infinity where a value is not finite
    """
    block = int(rng.integers(len(simulation.domain.blocks)))
    start, spare = simulation.resident, simulation.spare
    now = to_host(simulation.memory, start)
    region = _piece(simulation, block, now.u[block], rng)
    simulation.core.stage(block, region, start, start, simulation.setup.timestep, spare)
    new = to_host(simulation.memory, spare)
    compared = _primitive if isinstance(simulation.model.case, PrimitiveCase) else _shallow
    with np.errstate(all="ignore"):  # the outermost cells of the piece may hold anything and are not looked at
        pairs = compared(simulation, block, region, now, new)
    allowed = _rounding(simulation, new, [expected for _, _, expected in pairs])
    changes = [np.abs(expected - before).max() for before, _, expected in pairs]

    def worst(allowances: list[float]) -> float:
        errors = [
            np.maximum(np.abs(found - expected) - rounding, 0.0).max()
            for rounding, (_, found, expected) in zip(allowances, pairs, strict=True)
        ]
        largest = float(np.max([e / c if c > 0 else e for e, c in zip(errors, changes, strict=True)]))
        return largest if np.isfinite(largest) else float("inf")

    return worst(allowed), worst([0.0] * len(pairs))


def _rounding(simulation: Simulation, new: State, expected: list[Floats]) -> list[float]:
    """What a stage may lose of each field in its precision: a unit in the last place of the largest value.

    Of the winds two more of the terms whose differences make the pressure gradient, Φ and c_pθΠ, which are as large as
    c_pθ, or gh of water: in balance little is left of them.
    """
    fields = [field for field in new.fields if field is not None][: len(expected)]
    units = [float(np.finfo(field.dtype).eps) for field in fields]
    found = [unit * float(np.abs(values).max()) for unit, values in zip(units, expected, strict=True)]
    if new.theta is not None:
        largest = simulation.model.case.planet.heat_capacity * float(np.abs(expected[3]).max())
    else:
        largest = simulation.model.case.planet.gravity * float(np.abs(expected[0]).max())
    cancelled = 2 * units[-1] * largest * simulation.setup.timestep * simulation.metric.inverse_spacing
    found[1:3] = [rounding + cancelled for rounding in found[1:3]]
    return found


Triples = list[tuple[Floats, Floats, Floats]]


def _piece(simulation: Simulation, block: int, wind: Array, rng: np.random.Generator) -> Region:
    """Of some rectangles the one with the strongest wind: where nothing moves nothing is proven."""
    shape = simulation.domain.blocks[block]
    rows, columns = min(ROWS, shape.rows), min(COLUMNS, shape.columns)
    drawn = []
    for _ in range(DRAWN):
        row = HALO + int(rng.integers(shape.rows - rows + 1))
        column = HALO + int(rng.integers(shape.columns - columns + 1))
        drawn.append(Region(row, row + rows, column, column + columns))
    return max(
        drawn,
        key=lambda r: float(np.abs(wind[..., r.first_row : r.last_row, r.first_column : r.last_column]).max()),
    )


def _around(field: Array, region: Region) -> Floats:
    """A block's field on the region and HALO cells around, float64."""
    rows = slice(region.first_row - HALO, region.last_row + HALO)
    return field[..., rows, region.first_column - HALO : region.last_column + HALO].astype(np.float64)


def _inside(field: Floats) -> Floats:
    return field[..., HALO:-HALO, HALO:-HALO]


def _shallow(simulation: Simulation, block: int, region: Region, now: State, new: State) -> Triples:
    core: ShallowCore = simulation.core  # pyright: ignore[reportAssignmentType]  # of the case
    cosines = _cosines(simulation, block, region)
    h, u, v = (_around(field, region) for field in (now.mass[block], now.u[block, 0], now.v[block, 0]))
    found = (new.mass[block], new.u[block, 0], new.v[block, 0])
    ground, coriolis = (_around(field[block], region) for field in (core.ground, core.coriolis))
    inverse = simulation.metric.inverse_spacing
    slopes = reference_shallow.shallow_tendencies(h, u, v, ground, coriolis, *cosines, inverse, core.gravity)
    step = simulation.setup.timestep
    return [
        (_inside(old), _inside(_around(made, region)), _inside(old + step * slope))
        for old, made, slope in zip((h, u, v), found, (slopes.depth, slopes.u, slopes.v), strict=True)
    ]


def _primitive(simulation: Simulation, block: int, region: Region, now: State, new: State) -> Triples:
    core: PrimitiveCore = simulation.core  # pyright: ignore[reportAssignmentType]  # of the case
    model = simulation.model
    cos_center, cos_face = _cosines(simulation, block, region)
    ground = reference_primitive.Ground(
        model.case.planet,
        make_levels(model.case.planet, model.interfaces),
        simulation.grid.spacing,
        _around(core.ground[block], region),
        _around(core.coriolis[block], region),
        cos_center,
        cos_face,
    )
    old, made = (_fields(state, block, region) for state in (now, new))
    exact = reference_primitive.advance(old, old, ground, simulation.setup.timestep)
    return [
        (_inside(before), _inside(found), _inside(expected))
        for before, found, expected in zip(old, made, exact, strict=True)
    ]


def _fields(state: State, block: int, region: Region) -> reference_primitive.Fields:
    assert state.theta is not None
    mass, u, v, theta = (_around(a[block], region) for a in (state.mass, state.u, state.v, state.theta))
    return reference_primitive.Fields(mass, u, v, theta)


def _cosines(simulation: Simulation, block: int, region: Region) -> tuple[Floats, Floats]:
    rows = slice(region.first_row - HALO, region.last_row + HALO)
    return simulation.metric.cos_center[block, rows], simulation.metric.cos_face[block, rows]
